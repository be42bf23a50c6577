import { Double, type Struct, type Value } from '../model/value.ts'
import { shownText } from './entities.ts'

/** A member's name, with the text from the end of the member before to its value. */
export interface Member {
  readonly name: string
  readonly opening: string
}

/** Fewer rows of a kind are not worth a pattern. */
const FEW = 8
/** As often as this another pattern is made, when rows come that differ. */
const MOST_PATTERNS = 24

/** Values as hubs write them, in one group each; of those that are written otherwise nothing is said. */
const KINDS = {
  string: { pattern: '<string>([^<\\]]*)</string>', read: shownText },
  int: { pattern: '<int>(0|-?[1-9][0-9]{0,14})</int>', read: Number },
  i8: { pattern: '<i8>(0|-?[1-9][0-9]{0,14})</i8>', read: Number },
  boolean: { pattern: '<boolean>([01])</boolean>', read: (text: string): Value => text === '1' },
  double: {
    pattern: '<double>(-?[0-9]{1,15}\\.[0-9]{1,15})</double>',
    read: (text: string): Value => new Double(Number(text)),
  },
  nil: { pattern: '<nil/>()', read: (): Value => null },
} as const
type Kind = keyof typeof KINDS

interface Group {
  readonly name: string
  readonly read: (text: string) => Value | undefined
}

/**
 * Rows of a list are alike: the same members in the same order, of a few types. One pattern takes apart such a row in a fraction of the time
 * that its members take one by one. It is learnt from the first ones, and takes only what these rules allow, so what it takes is right.
 */
export class RowPattern {
  readonly #emptyStruct: () => { [name: string]: Value }
  #members: readonly Member[] = []
  #kinds: Set<Kind>[] = []
  #rows = 0
  #made = 0
  #groups: Group[] = []
  #pattern: RegExp | null = null
  #isStale = false
  #isHopeless = false
  /** behind the row that was taken last */
  end = 0

  constructor(emptyStruct: () => { [name: string]: Value }) {
    this.#emptyStruct = emptyStruct
  }

  /** A row that was read otherwise. */
  learn(members: readonly Member[], row: Struct): void {
    if (members !== this.#members) {
      this.#members = members
      this.#kinds = members.map(() => new Set())
      this.#rows = 0
      this.#pattern = null
      this.#isStale = true
      this.#isHopeless = members.length === 0
    }
    if (this.#isHopeless) return
    this.#rows += 1
    for (const [i, { name }] of members.entries()) {
      // A row may have fewer than the ones before.
      if (!Object.hasOwn(row, name)) return
      const kind = kindOf(row[name] as Value)
      const kinds = this.#kinds[i] as Set<Kind>
      if (kind === null) {
        this.#isHopeless = true
        return
      }
      if (!kinds.has(kind)) {
        kinds.add(kind)
        this.#isStale = true
      }
    }
  }

  /** The row that begins there; null: it is to be read otherwise. */
  take(text: string, at: number): Struct | null {
    if (this.#isHopeless || this.#rows < FEW) return null
    if (this.#isStale) this.#make()
    const pattern = this.#pattern
    if (pattern === null) return null
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) return null
    const struct = this.#emptyStruct()
    const groups = this.#groups
    for (let i = 0; i < groups.length; i += 1) {
      const chars = match[i + 1]
      if (chars === undefined) continue
      const { name, read } = groups[i] as Group
      const value = read(chars)
      if (value === undefined) return null
      struct[name] = value
    }
    this.end = pattern.lastIndex
    return struct
  }

  #make(): void {
    this.#isStale = false
    this.#pattern = null
    // A member that no row had yet.
    if (this.#kinds.some(({ size }) => size === 0)) return
    this.#made += 1
    if (this.#made > MOST_PATTERNS) {
      this.#isHopeless = true
      return
    }
    this.#groups = []
    const members = this.#members.map(({ name, opening }, i) => {
      const kinds = [...(this.#kinds[i] as Set<Kind>)].map((kind) => KINDS[kind])
      for (const { read } of kinds) this.#groups.push({ name, read })
      const value = kinds.map(({ pattern }) => pattern).join('|')
      return `${literal(opening)}<value>(?:${value})</value>\\n?</member>\\n`
    })
    this.#pattern = new RegExp(`<value><struct>\\n${members.join('')}</struct></value>\\n`, 'y')
  }
}

/** null: it has parts. */
function kindOf(value: Value): Kind | null {
  if (value === null) return 'nil'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value === 'number') return value === (value | 0) ? 'int' : 'i8'
  if (typeof value === 'bigint') return 'i8'
  return value instanceof Double ? 'double' : null
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}
