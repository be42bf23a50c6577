import { SaxesParser } from 'saxes'
import { isStruct, type Value } from '../model/value.ts'
import { hideControlCharacters, showControlCharacters } from './control-characters.ts'
import { emptyStruct, type Open, type PlainAnswer } from './plain-answer.ts'
import { SCALARS } from './scalars.ts'
import { type Answer, UndecodableError } from './undecodable.ts'

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
 * A streaming, strict reader of one XML-RPC response: mis-nested, repeated or missing elements, attributes, DTDs, unknown entities, numbers with
 * junk are refused. It may go on where a `PlainAnswer` stopped. `write` and `end` throw UndecodableError.
 */
export class StrictAnswer {
  readonly #maxDepth: number
  readonly #parser = new SaxesParser({ forceXMLVersion: true, defaultXMLVersion: '1.0' })
  #stack: Frame[]
  #answer: Answer | undefined

  constructor(maxDepth: number, begun: PlainAnswer) {
    this.#maxDepth = maxDepth
    this.#stack = framesOf(begun)
    const parser = this.#parser
    // What is open already, for the parser's own book.
    for (const { element } of this.#stack) if (element !== '') parser.write(`<${element}>`)
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

  /** The answer, once it is whole. */
  get answer(): Answer | undefined {
    return this.#answer
  }

  write(text: string): void {
    if (text !== '') this.#parser.write(hideControlCharacters(text))
  }

  close(): void {
    this.#parser.close()
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
    if (opened.depth > this.#maxDepth)
      throw new UndecodableError('large', `values nested more than ${this.#maxDepth} deep`)
    if (element === 'data') opened.value = []
    if (element === 'struct') opened.value = emptyStruct()
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

/** The open elements at the place where a reader stopped. */
function framesOf({ place, open, value }: PlainAnswer): Frame[] {
  const frames = [frame('', 0)]
  if (place === 'before') return frames
  for (const element of ['methodResponse', 'params', 'param']) frames.push(frame(element, 0))
  for (const one of frames) one.count = 1
  const param = frames.at(-1) as Frame
  if (place === 'behind') param.value = value
  const path: Open[] = []
  for (let one = open; one !== null; one = one.parent) path.unshift(one)
  for (const { name, depth, items, struct, count } of path) {
    if (name !== undefined) frames.push({ ...frame('member', depth - 1), count: 2, name })
    frames.push({ ...frame('value', depth - 1), count: 1 })
    if (struct !== null) frames.push({ ...frame('struct', depth), count, value: struct })
    else frames.push({ ...frame('array', depth), count: 1 }, { ...frame('data', depth), value: items ?? [] })
  }
  return frames
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
