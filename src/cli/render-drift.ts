import type { Drift } from '../model/drift.ts'
import { formatKey } from '../model/key.ts'
import type { ReconcileReport } from '../model/operations.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'
import { failureLines, openText } from './open-keys.ts'

/** Differences that are shown of each kind in each tag, tags that are shown, and characters of a side; the rest is counted. */
const SHOWN_OF_KIND = 10
const SHOWN_GROUPS = 200
const SHOWN_CHARACTERS = 120

/** One object a line: `{key, kind, subject, tag, state, prod, staging}`; see `Drift`. */
export function driftJson({ key, kind, subject, tag, state, prod, staging }: Drift): string {
  return `${toJson({ key: formatKey(key), kind, subject, tag, state, prod, staging })}\n`
}

interface Group {
  readonly title: string
  readonly lines: string[]
  count: number
}

/** Collects differences for people: grouped by tag and kind, bounded, with totals. */
export class DriftText {
  readonly #groups = new Map<string, Group>()
  #beyond = 0

  add(drift: Drift): void {
    const title = `${drift.tag === null ? '' : `tag ${safe(drift.tag)} `}${drift.kind}`
    let group = this.#groups.get(title)
    if (group === undefined) {
      if (this.#groups.size === SHOWN_GROUPS) {
        this.#beyond += 1
        return
      }
      group = { title, lines: [], count: 0 }
      this.#groups.set(title, group)
    }
    group.count += 1
    if (group.lines.length < SHOWN_OF_KIND) group.lines.push(lineOf(drift))
  }

  text(): string {
    const groups = [...this.#groups.values()].sort((a, b) => (a.title < b.title ? -1 : 1))
    const lines = groups.flatMap(({ title, lines: shown, count }) => [
      `${title} (${count})`,
      ...shown,
      ...(count > shown.length ? [`  and ${count - shown.length} more`] : []),
    ])
    if (this.#beyond > 0) lines.push(`and ${this.#beyond} more`)
    return lines.map((line) => `${line}\n`).join('')
  }
}

/** The last line, for people. */
export function reportText(report: ReconcileReport): string {
  const { tags, builds, differences } = report
  const { drift, queued, parked, held } = differences
  const found = [`${drift} new`, `${queued} known already`, `${parked} parked`, `${held} held`].join(', ')
  const ends = openText(report, 'of the keys ')
  const total = drift + queued + parked + held
  return total === 0
    ? `no difference in ${tags} tags with ${builds} taggings\n`
    : `${total} differences (${found}) in ${tags} tags with ${builds} taggings${ends}\n${failureLines(report)}`
}

function lineOf({ subject, prod, staging, state }: Drift): string {
  const note = state === 'drift' ? '' : ` [${state}]`
  if (staging === null) return `  + ${safe(subject)}${prod === null ? '' : `  ${side(prod)}`}${note}`
  if (prod === null) return `  - ${safe(subject)}  ${side(staging)}${note}`
  return `  ~ ${safe(subject)}  ${side(staging)} -> ${side(prod)}${note}`
}

function side(value: unknown): string {
  const text = safe(typeof value === 'string' ? value : toJson(value))
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text
}

function toJson(value: unknown): string {
  return JSON.stringify(value, (_name, member) => (typeof member === 'bigint' ? member.toString() : member))
}

function safe(text: string): string {
  return printable(maskText(text))
}
