import type { Struct, Value } from '../model/value.ts'
import { shownText } from './entities.ts'
import { type Member, RowPattern } from './row-pattern.ts'
import { SCALARS } from './scalars.ts'

/*
 * Hubs write an answer in one way only (Python's xmlrpc.client, koji/xmlrpcplus.py ExtendedMarshaller). This reads answers that are
 * written so, several times as fast as an XML parser could, and stops before the first thing that is not: what it took is right, and the rest is
 * for the strict decoder, which says what is wrong with it, if anything is.
 */

/** A struct or array that is open. */
export interface Open {
  readonly parent: Open | null
  /** of the parent's member that it is the value of; undefined: the parent is an array, or none */
  readonly name: string | undefined
  readonly depth: number
  readonly items: Value[] | null
  readonly struct: { [name: string]: Value } | null
  /** members as they are expected: those of the struct before at this depth */
  members: Member[]
  count: number
  /** `members` is this struct's own list: it is not like the one before */
  isOdd: boolean
}

const PROLOGUE =
  /^<\?xml version=(?:'1\.0'|"1\.0")\?>[ \n\t]*<methodResponse>[ \n\t]*<params>[ \n\t]*<param>[ \n\t]*/
const EPILOGUE = /^[ \n\t]*<\/param>[ \n\t]*<\/params>[ \n\t]*<\/methodResponse>[ \n\t]*$/
/** Objects without a prototype that has anything in it; those of Object.create(null) are hash tables, slow and large. */
const Bare = function Bare() {} as unknown as new () => { [name: string]: Value }
Bare.prototype = Object.freeze(Object.create(null))

export function emptyStruct(): { [name: string]: Value } {
  return new Bare()
}

const [string, int, double] = (['string', 'int', 'double'] as const).map((name) => SCALARS.get(name)) as [
  (text: string) => Value | undefined,
  (text: string) => Value | undefined,
  (text: string) => Value | undefined,
]

/** Where a reader stands: before the answer, within its value (`open` says where), or behind that. */
export type Place = 'before' | 'within' | 'behind'

export class PlainAnswer {
  place: Place = 'before'
  open: Open | null = null
  /** of the whole answer, when `place` is `behind` */
  value: Value | undefined
  /** rows that a pattern took apart */
  rowsTaken = 0
  readonly #maxDepth: number
  readonly #shapes: Member[][] = []
  /** of structs in an array, by depth */
  readonly #rows: RowPattern[] = []
  #text = ''
  #at = 0
  /** the next `&` and `]]>` from `#at` on, as far as was looked */
  #amp = -1
  #bracket = -1

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth
  }

  /** Reads on; returns up to where, which is before what it does not know or what is not whole. */
  read(text: string): number {
    this.#text = text
    this.#at = 0
    this.#amp = -1
    this.#bracket = -1
    if (this.place === 'before') {
      const prologue = PROLOGUE.exec(text)
      if (prologue === null) return 0
      this.#at = prologue[0].length
      if (!this.#value(undefined)) return 0
    }
    while (this.open !== null) {
      const { open } = this
      if (!(open.struct === null ? this.#item() : this.#member(open, open.struct))) break
    }
    this.#text = ''
    return this.#at
  }

  /** Whether only the end of the answer is left. */
  isEnd(text: string): boolean {
    return this.place === 'behind' && EPILOGUE.test(text)
  }

  #item(): boolean {
    const at = this.#blanks(this.#at)
    if (this.#text.startsWith('<value>', at)) {
      const { items, depth } = this.open as Open
      const rows = this.#rows[depth + 1]
      const row = rows?.take(this.#text, at)
      if (rows !== undefined && row !== undefined && row !== null) {
        items?.push(row)
        this.rowsTaken += 1
        this.#at = rows.end
        return true
      }
      this.#at = at
      return this.#value(undefined)
    }
    return this.#close('</data></array></value>', at)
  }

  #member(open: Open, struct: { [name: string]: Value }): boolean {
    const text = this.#text
    const begun = this.#at
    const expected = open.members[open.count]
    let name: string
    if (expected !== undefined && text.startsWith(expected.opening, begun)) {
      name = expected.name
      this.#at = begun + expected.opening.length
    } else {
      const found = this.#name(this.#blanks(begun))
      if (found === null) return this.#close('</struct></value>', this.#blanks(begun))
      // The strict one says that there are two.
      if (Object.hasOwn(struct, found.name)) return false
      name = found.name
      if (!open.isOdd) {
        open.members = open.members.slice(0, open.count)
        open.isOdd = true
      }
      this.#at = found.end
      if (!this.#value(name)) return this.#back(begun)
      open.members.push({ name, opening: text.slice(begun, found.end) })
      open.count += 1
      return true
    }
    if (!this.#value(name)) return this.#back(begun)
    open.count += 1
    return true
  }

  #back(begun: number): false {
    this.#at = begun
    return false
  }

  /** `<member> <name>NAME</name>`, and blanks. */
  #name(at: number): { readonly name: string; readonly end: number } | null {
    const text = this.#text
    if (!text.startsWith('<member>', at)) return null
    const begin = this.#blanks(at + 8)
    if (!text.startsWith('<name>', begin)) return null
    const end = text.indexOf('<', begin + 6)
    if (end === -1 || !text.startsWith('</name>', end)) return null
    const name = this.#chars(begin + 6, end)
    return name === null ? null : { name, end: this.#blanks(end + 7) }
  }

  /** `<value>...</value>`, and behind it all up to the next member or item. Of struct and array only the beginning. */
  #value(name: string | undefined): boolean {
    const text = this.#text
    const at = this.#at
    if (!text.startsWith('<value><', at)) return false
    const inner = at + 8
    switch (text.charCodeAt(inner)) {
      case 0x73: {
        // s
        if (text.startsWith('struct>', inner)) return this.#begin(name, 'struct', inner + 7)
        return text.startsWith('string>', inner) && this.#scalar(name, string, inner + 7, '</string></value>')
      }
      case 0x69: // i
        if (text.startsWith('int>', inner)) return this.#scalar(name, int, inner + 4, '</int></value>')
        return text.startsWith('i8>', inner) && this.#scalar(name, int, inner + 3, '</i8></value>')
      case 0x6e: // n
        return text.startsWith('nil/></value>', inner) && this.#put(name, null, inner + 13)
      case 0x62: // b
        if (text.startsWith('boolean>1</boolean></value>', inner)) return this.#put(name, true, inner + 27)
        return text.startsWith('boolean>0</boolean></value>', inner) && this.#put(name, false, inner + 27)
      case 0x64: // d
        return text.startsWith('double>', inner) && this.#scalar(name, double, inner + 7, '</double></value>')
      case 0x61: {
        // a
        if (!text.startsWith('array>', inner)) return false
        const data = this.#blanks(inner + 6)
        return text.startsWith('<data>', data) && this.#begin(name, 'array', data + 6)
      }
      default:
        return false
    }
  }

  #scalar(
    name: string | undefined,
    read: (text: string) => Value | undefined,
    begin: number,
    closing: string,
  ): boolean {
    const end = this.#text.indexOf('<', begin)
    if (end === -1 || !this.#text.startsWith(closing, end)) return false
    const chars = this.#chars(begin, end)
    const value = chars === null ? undefined : read(chars)
    return value !== undefined && this.#put(name, value, end + closing.length)
  }

  /** A value that ends at `end`: into what is open. Within a member, the member must end, too. */
  #put(name: string | undefined, value: Value, end: number): boolean {
    const { open } = this
    if (open === null) {
      this.value = value
      this.place = 'behind'
      this.#at = end
      return true
    }
    if (open.items !== null) {
      open.items.push(value)
      this.#at = end
      return true
    }
    const closing = this.#memberEnd(end)
    if (closing === -1) return false
    ;(open.struct as { [name: string]: Value })[name as string] = value
    this.#at = closing
    return true
  }

  /** Behind `</member>` and a line's end; -1: there is none. */
  #memberEnd(end: number): number {
    const text = this.#text
    if (text.startsWith('\n</member>\n', end)) return end + 11
    const at = this.#blanks(end)
    if (!text.startsWith('</member>', at)) return -1
    return text.charCodeAt(at + 9) === 0x0a ? at + 10 : at + 9
  }

  #begin(name: string | undefined, kind: 'struct' | 'array', at: number): boolean {
    const parent = this.open
    const depth = (parent?.depth ?? 0) + 1
    // The strict one says what is too deep.
    if (depth > this.#maxDepth) return false
    const isStruct = kind === 'struct'
    this.open = {
      parent,
      name,
      depth,
      items: isStruct ? null : [],
      struct: isStruct ? emptyStruct() : null,
      members: isStruct ? (this.#shapes[depth] ?? []) : [],
      count: 0,
      isOdd: false,
    }
    this.place = 'within'
    this.#at = isStruct && this.#text.charCodeAt(at) === 0x0a ? at + 1 : at
    return true
  }

  #close(closing: string, at: number): boolean {
    if (!this.#text.startsWith(closing, at)) return false
    const open = this.open as Open
    const begun = this.#at
    if (open.isOdd) this.#shapes[open.depth] = open.members
    this.open = open.parent
    const value = open.items ?? (open.struct as Struct)
    if (this.#put(open.name, value, at + closing.length)) {
      if (open.struct !== null && open.name === undefined) this.#learn(open, open.struct)
      return true
    }
    this.open = open
    return this.#back(begun)
  }

  #learn({ depth, members }: Open, struct: Struct): void {
    const rows = this.#rows[depth] ?? new RowPattern(emptyStruct)
    this.#rows[depth] = rows
    rows.learn(members, struct)
  }

  /** The text between two places; null: the strict one is to read it. */
  #chars(begin: number, end: number): string | null {
    if (this.#amp < begin) this.#amp = positionOf(this.#text.indexOf('&', begin))
    if (this.#bracket < begin) this.#bracket = positionOf(this.#text.indexOf(']]>', begin))
    if (this.#bracket < end) return null
    const chars = this.#text.slice(begin, end)
    if (this.#amp >= end) return chars
    return shownText(chars) ?? null
  }

  #blanks(from: number): number {
    let at = from
    for (;;) {
      const code = this.#text.charCodeAt(at)
      if (code !== 0x0a && code !== 0x20 && code !== 0x09) return at
      at += 1
    }
  }
}

function positionOf(index: number): number {
  return index === -1 ? Number.POSITIVE_INFINITY : index
}
