import { SaxesParser } from 'saxes'
import { isStruct, type Value } from '../model/value.ts'
import { hideControlCharacters, showControlCharacters } from './control-characters.ts'
import { SCALARS } from './scalars.ts'

/** What a methodResponse says. */
export type Answer =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'fault'; readonly faultCode: number; readonly faultString: string }

export interface DecodeLimits {
  /** Of the body as it is parsed, unpacked. */
  readonly maxBytes: number
  /** Of arrays and structs in one another. */
  readonly maxDepth: number
}

/**
 * Why a body is no answer. `foreign`: not XML-RPC at all (an HTML page); `cut`: it ended too early; `malformed`: it
 * breaks XML, XML-RPC or our types; `large`: a limit.
 */
export class UndecodableError extends Error {
  override name = 'UndecodableError'
  readonly reason: 'foreign' | 'cut' | 'malformed' | 'large'
  constructor(reason: UndecodableError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

/** Which elements may stand directly in which; a scalar holds text only. */
const CHILDREN: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['', new Set(['methodResponse'])],
  ['methodResponse', new Set(['params', 'fault'])],
  ['params', new Set(['param'])],
  ['param', new Set(['value'])],
  ['fault', new Set(['value'])],
  ['value', new Set([...SCALARS.keys(), 'array', 'struct'])],
  ['array', new Set(['data'])],
  ['data', new Set(['value'])],
  ['struct', new Set(['member'])],
  ['member', new Set(['name', 'value'])],
])
/** Elements that may hold any number of children; the others hold one each of what they must. */
const MANY: ReadonlySet<string> = new Set(['data', 'struct'])
/** Elements whose text is data. A value without a type is a string. */
const TEXTUAL: ReadonlySet<string> = new Set([...SCALARS.keys(), 'name', 'value'])

/** An open element and what it has gathered so far. */
interface Frame {
  readonly element: string
  readonly depth: number
  /** Children seen. */
  count: number
  text: string
  /** A member's name, once it is known. */
  name: string | undefined
  /** The value inside, once it is known; arrays and structs grow here. */
  value: Value | undefined
}

/**
 * A streaming, strict decoder of one XML-RPC response: mis-nested, repeated or missing elements, attributes, DTDs,
 * unknown entities, numbers with junk, bad UTF-8 are refused. Feed it with `write`, then `end`. Both throw
 * UndecodableError.
 */
export class AnswerDecoder {
  readonly #limits: DecodeLimits
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true })
  readonly #parser = new SaxesParser({ forceXMLVersion: true, defaultXMLVersion: '1.0' })
  #stack: Frame[] = [frame('', 0)]
  #answer: Answer | undefined
  #bytes = 0

  constructor(limits: DecodeLimits) {
    this.#limits = limits
    const parser = this.#parser
    parser.on('xmldecl', ({ encoding }) => {
      if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')
        throw malformed(`encoding ${encoding}`)
    })
    parser.on('doctype', () => this.#refuseDoctype())
    parser.on('opentag', ({ name, attributes }) => this.#open(name, attributes))
    parser.on('text', (text) => this.#text(text))
    parser.on('cdata', (text) => this.#text(text))
    parser.on('closetag', () => this.#close())
    parser.on('error', (error) => {
      if (this.#top().count === 0 && this.#stack.length === 1)
        throw new UndecodableError('foreign', `no XML: ${error.message}`)
      throw malformed(error.message)
    })
  }

  write(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength
    if (this.#bytes > this.#limits.maxBytes)
      throw new UndecodableError('large', `an answer of more than ${this.#limits.maxBytes} bytes`)
    this.#feed(this.#decodeUtf8(chunk))
  }

  end(): Answer {
    const rest = this.#decodeUtf8()
    if (this.#answer === undefined)
      throw new UndecodableError('cut', `an answer that ends at byte ${this.#bytes}`)
    this.#feed(rest)
    this.#parser.close()
    return this.#answer
  }

  #decodeUtf8(chunk?: Uint8Array): string {
    try {
      return chunk === undefined ? this.#utf8.decode() : this.#utf8.decode(chunk, { stream: true })
    } catch {
      const cut = chunk === undefined && this.#answer === undefined
      throw new UndecodableError(cut ? 'cut' : 'malformed', 'bytes that are not UTF-8')
    }
  }

  #feed(text: string): void {
    if (text !== '') this.#parser.write(hideControlCharacters(text))
  }

  #refuseDoctype(): never {
    if (this.#stack.length === 1) throw new UndecodableError('foreign', 'a document type')
    throw malformed('a document type')
  }

  #open(element: string, attributes: object): void {
    const parent = this.#top()
    const { element: place } = parent
    if (!(CHILDREN.get(place)?.has(element) ?? false)) {
      if (place === '') throw new UndecodableError('foreign', `a document <${element}>`)
      throw malformed(`<${element}> in <${place}>`)
    }
    if (Object.keys(attributes).length > 0) throw malformed(`attributes of <${element}>`)
    if (place === 'member') {
      if (element !== (parent.count === 0 ? 'name' : 'value') || parent.count > 1)
        throw malformed('a bad <member>')
    } else if (parent.count > 0 && !MANY.has(place)) throw malformed(`a second child of <${place}>`)
    if (place === 'value' && !isBlank(parent.text)) throw malformed('text beside a typed value')
    parent.count += 1
    const deeper = element === 'array' || element === 'struct' ? 1 : 0
    const opened = frame(element, parent.depth + deeper)
    if (opened.depth > this.#limits.maxDepth)
      throw new UndecodableError('large', `values nested more than ${this.#limits.maxDepth} deep`)
    if (element === 'data') opened.value = []
    if (element === 'struct') opened.value = Object.create(null)
    this.#stack.push(opened)
  }

  #text(text: string): void {
    const top = this.#top()
    if (TEXTUAL.has(top.element) && (top.element !== 'value' || top.count === 0)) top.text += text
    else if (!isBlank(text)) throw malformed(`text in <${top.element}>`)
  }

  #close(): void {
    const closed = this.#stack.pop() as Frame
    const parent = this.#top()
    const { element } = closed
    if (element === 'name') {
      const name = showControlCharacters(closed.text)
      const struct = (this.#stack.at(-2) as Frame).value as object
      if (Object.hasOwn(struct, name))
        throw malformed(`two members named ${JSON.stringify(name.slice(0, 80))}`)
      parent.name = name
    } else if (element === 'member') {
      if (parent.value === undefined || closed.name === undefined || closed.value === undefined)
        throw malformed('a member without name or value')
      ;(parent.value as { [name: string]: Value })[closed.name] = closed.value
    } else if (parent.element === 'data') {
      ;(parent.value as Value[]).push(valueIn(closed))
    } else if (element === 'methodResponse') {
      this.#answer = answerOf(closed)
    } else {
      parent.value = valueIn(closed)
      if (element === 'fault') parent.name = 'fault'
    }
  }

  #top(): Frame {
    return this.#stack.at(-1) as Frame
  }
}

function frame(element: string, depth: number): Frame {
  return { element, depth, count: 0, text: '', name: undefined, value: undefined }
}

function isBlank(text: string): boolean {
  return /^[ \t\r\n]*$/.test(showControlCharacters(text))
}

/** The value that an element stands for when it ends. */
function valueIn(closed: Frame): Value {
  const scalar = SCALARS.get(closed.element)
  if (scalar !== undefined) {
    const text = showControlCharacters(closed.text)
    const value = scalar(text)
    if (value === undefined) throw malformed(`<${closed.element}>${text.slice(0, 80)}`)
    return value
  }
  if (closed.element === 'value' && closed.count === 0) return showControlCharacters(closed.text)
  if (closed.value === undefined) throw malformed(`an empty <${closed.element}>`)
  return closed.value
}

function answerOf({ name, value }: Frame): Answer {
  if (value === undefined) throw malformed('a methodResponse without a value')
  if (name !== 'fault') return { kind: 'value', value }
  const code = isStruct(value) ? value.faultCode : undefined
  const text = isStruct(value) ? value.faultString : undefined
  if (typeof code !== 'number' || typeof text !== 'string') throw malformed('a fault without code or text')
  return { kind: 'fault', faultCode: code, faultString: text }
}

function malformed(what: string): UndecodableError {
  return new UndecodableError('malformed', `an answer with ${what}`)
}
