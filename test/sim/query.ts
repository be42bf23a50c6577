import type { HubSession } from './hub-session.ts'
import { Fault, faultCode, generic, isInt, isStruct, repr, type Struct, type Value } from './wire-value.ts'

/** Collects the values of a statement; `add` gives the place holder. */
export class Binds {
  readonly values: unknown[] = []

  add(value: unknown): string {
    this.values.push(value)
    return `$${this.values.length}`
  }
}

/** A query in the hub's manner: named columns, clauses, and the caller's queryOpts. */
export interface Query {
  /** Alias to SQL expression. */
  fields: Record<string, string>
  /** Tables and joins. */
  from: string
  where?: string[]
  group?: string
  binds?: Binds
  /** queryOpts: order, limit, offset, countOnly, asList (kojihub/db.py, QueryProcessor). */
  opts?: Value | undefined
  transform?: (row: Struct) => Struct
}

/** Runs it: rows, rows as lists, or the count, as the options say. */
export async function run(hub: HubSession, query: Query): Promise<Value> {
  const opts = isStruct(query.opts) ? query.opts : {}
  const aliases = Object.keys(query.fields).sort()
  const window = `${number('OFFSET', opts.offset)} ${number('LIMIT', opts.limit)}`
  const rest = `FROM ${query.from} ${where(query.where)} ${query.group ? `GROUP BY ${query.group}` : ''}`
  const values = query.binds?.values ?? []
  if (opts.countOnly) {
    const wrapped = window.trim() || query.group
    const sql = wrapped
      ? `SELECT count(*) FROM (SELECT 1 ${rest} ${window}) numrows`
      : `SELECT count(*) ${rest}`
    return (await hub.row(sql, values))?.count ?? 0
  }
  // Up to 1.30 rows that are decoded could not be had as lists: the answer is nil.
  if (opts.asList && query.transform && !hub.since(1.33)) return null
  const columns = aliases.map((alias) => `${query.fields[alias]} AS "${alias}"`).join(', ')
  const found = await hub.rows(`SELECT ${columns} ${rest} ${order(query, opts.order)} ${window}`, values)
  const rows = query.transform ? found.map(query.transform) : found
  return opts.asList ? rows.map((row) => aliases.map((alias) => row[alias] ?? null)) : rows
}

/** The rows of a query without the caller's options. */
export async function select(hub: HubSession, query: Query): Promise<Struct[]> {
  return (await run(hub, query)) as Struct[]
}

/** Its first row, or null. */
export async function selectOne(hub: HubSession, query: Query): Promise<Struct | null> {
  return (await select(hub, query))[0] ?? null
}

/** Rows that are in force now, or were at that event (kojihub.py, eventCondition). */
export function inForce(event: Value | undefined, table = ''): string {
  const prefix = table ? `${table}.` : ''
  if (event === null || event === undefined) return `${prefix}active = TRUE`
  if (!isInt(event)) throw generic(`Invalid event: ${repr(event)}`)
  const id = BigInt(event)
  return `(${prefix}create_event <= ${id} AND (${prefix}revoke_event IS NULL OR ${id} < ${prefix}revoke_event))`
}

/** Wildcards of Koji's globs as those of SQL (RootExports._prepareSearchTerms). */
export function glob(pattern: Value): string {
  return String(pattern)
    .replaceAll('\\', '\\\\')
    .replaceAll('_', '\\_')
    .replaceAll('?', '_')
    .replaceAll('*', '%')
}

function where(clauses: string[] = []): string {
  return clauses.length > 0 ? `WHERE (${clauses.join(') AND (')})` : ''
}

function number(word: string, value: Value | undefined): string {
  return value ? `${word} ${BigInt(value as number)}` : ''
}

function order(query: Query, wanted: Value | undefined): string {
  if (!wanted) return ''
  const terms = String(wanted)
    .split(',')
    .map((term) => {
      const name = term.replace(/^-/, '')
      const expression = Object.hasOwn(query.fields, name)
        ? query.fields[name]
        : Object.values(query.fields).find((e) => e === name)
      if (!expression) throw new Fault(faultCode.other, `<class 'Exception'>: Invalid order: ${name}`)
      return `${expression}${term.startsWith('-') ? ' DESC' : ''}`
    })
  return `ORDER BY ${terms.join(', ')}`
}
