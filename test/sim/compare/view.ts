import { ask } from '../ask.ts'
import { Double, isStruct, type Struct, type Value } from '../wire-value.ts'

/** A call for `multi`. */
export type Asked = [method: string, ...params: Value[]]

/** What a hub shows, piece by piece: kind of thing, its name, and a text of its content. */
export class View {
  readonly entries = new Map<string, string>()
  readonly url: string
  readonly #rewriteUrl: (url: string) => string

  constructor(url: string, rewriteUrl: (url: string) => string) {
    this.url = url
    this.#rewriteUrl = rewriteUrl
  }

  /** Answers of many calls in order; a fault is a struct with faultString. */
  async multi(calls: Asked[]): Promise<Value[]> {
    const answers: Value[] = []
    for (let at = 0; at < calls.length; at += 200) {
      const part = calls.slice(at, at + 200).map(([methodName, ...params]) => ({ methodName, params }))
      const results = (await ask(this.url, 'multiCall', part)) as Value[]
      answers.push(...results.map((result) => (Array.isArray(result) ? (result[0] as Value) : result)))
    }
    return answers
  }

  /** Notes a thing. Two of the same name are counted apart. */
  put(kind: string, name: string, value: Value): void {
    const clean = text(this.clean(value))
    let key = `${kind}\t${name}`
    for (let n = 2; this.entries.has(key); n++) key = `${kind}\t${name} (${n})`
    this.entries.set(key, clean)
  }

  /** The value without what differs in every staging: ids, events, creation, tasks, volumes. Extra stays as it is. */
  clean(value: Value): Value {
    if (Array.isArray(value)) return value.map((item) => this.clean(item))
    if (!isStruct(value)) return value
    const kept: Struct = {}
    for (const [key, item] of Object.entries(value)) {
      if (differs.has(key)) continue
      if (key === 'url' && typeof item === 'string') kept[key] = this.#rewriteUrl(item)
      else kept[key] = key === 'extra' ? item : this.clean(item)
    }
    return kept
  }
}

const differs = new Set([
  ...[
    'task_id',
    'buildroot_id',
    'creation_event_id',
    'creation_time',
    'creation_ts',
    'create_event',
    'revoke_event',
  ],
  ...[
    'query_event',
    'id',
    'build_id',
    'rpm_id',
    'archive_id',
    'package_id',
    'tag_id',
    'parent_id',
    'child_id',
  ],
  ...[
    'owner_id',
    'user_id',
    'cg_id',
    'external_repo_id',
    'type_id',
    'btype_id',
    'promoter_id',
    'perm_id',
    'req_id',
  ],
  ...['group_id', 'build_tag', 'dest_tag', 'volume_id', 'volume_name'],
])

/** A text that tells 1, 1.0 and true apart, and not the order of keys. */
export function text(value: Value): string {
  if (value instanceof Double) return Number.isInteger(value.value) ? `${value.value}.0` : String(value.value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`
  if (isStruct(value)) {
    const keys = Object.keys(value).sort()
    return `{${keys.map((key) => `${key}: ${text(value[key] as Value)}`).join(', ')}}`
  }
  return JSON.stringify(value)
}

/** The answer as rows; a fault has none. */
export function rowsOf(value: Value | undefined): Struct[] {
  return Array.isArray(value) ? (value as Struct[]) : []
}

/** Rows in an order that does not depend on the database. */
export function sorted(rows: Struct[]): Struct[] {
  return [...rows].sort((a, b) => (text(a) < text(b) ? -1 : 1))
}

/** Keyword arguments. */
export const kw = (named: Struct): Struct => ({ ...named, __starstar: true })
