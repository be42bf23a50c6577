import { Double, type Value } from '../../src/model/value.ts'

/*
 * A second, naive XML-RPC codec, so that one misreading does not hide on both sides: it takes apart what is
 * well-formed and trusts it.
 */

interface Node {
  readonly name: string
  readonly children: Node[]
  text: string
}

const ENTITIES: Record<string, string> = {
  '&lt;': '<',
  '&gt;': '>',
  '&amp;': '&',
  '&quot;': '"',
  '&apos;': "'",
}

function fromXml(text: string): string {
  return text.replace(/&(?:#x([0-9a-fA-F]+)|[a-z]+);/g, (entity, hex: string | undefined) =>
    hex === undefined ? (ENTITIES[entity] as string) : String.fromCodePoint(Number.parseInt(hex, 16)),
  )
}

/** The document's root. */
export function parseXml(xml: string): Node {
  const root: Node = { name: '', children: [], text: '' }
  const stack = [root]
  for (const [, text = '', tag] of xml.matchAll(/([^<]*)<([^>]*)>/g)) {
    const top = stack.at(-1) as Node
    top.text += fromXml(text)
    if (tag === undefined || tag.startsWith('?')) continue
    if (tag.startsWith('/')) stack.pop()
    else {
      const node: Node = { name: tag.replace('/', ''), children: [], text: '' }
      top.children.push(node)
      if (!tag.endsWith('/')) stack.push(node)
    }
  }
  return root.children[0] as Node
}

function child(node: Node, name: string): Node {
  const found = node.children.find((item) => item.name === name)
  if (found === undefined) throw new Error(`no <${name}> in <${node.name}>`)
  return found
}

/** What a `<value>` means; members in their order. */
export function valueOfNode(node: Node): Value {
  const [typed] = node.children
  if (typed === undefined) return node.text
  switch (typed.name) {
    case 'int':
    case 'i4':
    case 'i8': {
      const exact = BigInt(typed.text)
      return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact
    }
    case 'double':
      return new Double(Number(typed.text.replace('inf', 'Infinity').replace('nan', 'NaN')))
    case 'boolean':
      return typed.text === '1'
    case 'nil':
      return null
    case 'string':
      return typed.text
    case 'array':
      return child(typed, 'data').children.map(valueOfNode)
    case 'struct': {
      const struct: { [name: string]: Value } = Object.create(null)
      for (const member of typed.children)
        struct[child(member, 'name').text] = valueOfNode(child(member, 'value'))
      return struct
    }
    default:
      throw new Error(`a value of type ${typed.name}`)
  }
}

export function readCall(xml: string): { readonly method: string; readonly params: readonly Value[] } {
  const root = parseXml(xml)
  const params = child(root, 'params').children.map((param) => valueOfNode(child(param, 'value')))
  return { method: child(root, 'methodName').text, params }
}

export function readResponse(xml: string): { readonly value?: Value; readonly fault?: Value } {
  const root = parseXml(xml)
  const [body] = root.children
  if (body?.name === 'fault') return { fault: valueOfNode(child(body, 'value')) }
  return { value: valueOfNode(child(child(body as Node, 'param'), 'value')) }
}

function toXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** As Python's marshaller writes it: control characters raw. */
export function writeValue(value: Value): string {
  return `<value>${writeTyped(value)}</value>\n`
}

function writeTyped(value: Value): string {
  if (value === null) return '<nil/>'
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`
  if (typeof value === 'string') return `<string>${toXml(value)}</string>`
  if (typeof value === 'number' || typeof value === 'bigint')
    return Number(value) === (Number(value) | 0) ? `<int>${value}</int>` : `<i8>${value}</i8>`
  if (value instanceof Double) {
    const digits = Object.is(value.value, -0) ? '-0.0' : String(value.value)
    return `<double>${digits.replace('Infinity', 'inf').replace('NaN', 'nan')}</double>`
  }
  if (Array.isArray(value)) return `<array><data>\n${value.map(writeValue).join('')}</data></array>`
  const members = Object.entries(value).map(
    ([name, item]) => `<member>\n<name>${toXml(name)}</name>\n${writeValue(item)}</member>\n`,
  )
  return `<struct>\n${members.join('')}</struct>`
}

export function writeResponse(value: Value): string {
  return `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n${writeValue(value)}</param>\n</params>\n</methodResponse>\n`
}

export function writeFault(faultCode: number, faultString: string): string {
  return `<?xml version='1.0'?>\n<methodResponse>\n<fault>\n${writeValue({ faultCode, faultString })}</fault>\n</methodResponse>\n`
}
