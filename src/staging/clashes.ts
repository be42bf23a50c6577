import type { Sql } from './database.ts'

/** The same thing with other content on both sides, or one unique slot wanted by both, and what policy decided. */
export interface ClashReport {
  /** what it is about, within its key: `tag_inheritance tag_id=3 priority=10` */
  readonly subject: string
  /** `edited`, `removed`, `slot`, `nvr`, ... */
  readonly kind: string
  /** kept as JSON; bigints as text */
  readonly prod: unknown
  readonly local: unknown
  readonly decision: ClashDecision
}

export type ClashDecision = 'held' | 'prod-won' | 'local-won'

export interface Clash extends ClashReport {
  readonly id: number
  readonly key: string
  /** `resolved`: it was not seen again when its key was converged */
  readonly state: ClashDecision | 'resolved'
  readonly firstSeen: string
  readonly lastSeen: string
  readonly count: number
  readonly resolvedAt: string | null
}

/** Writes clashes of a key (`formatKey`'s text): new ones, or those that are open seen once more. */
export async function recordClashes(sql: Sql, key: string, clashes: readonly ClashReport[]): Promise<void> {
  if (clashes.length === 0) return
  const distinct = new Map(clashes.map((clash) => [JSON.stringify([clash.subject, clash.kind]), clash]))
  const rows = [...distinct.values()].sort((a, b) => (a.subject < b.subject ? -1 : 1))
  await sql.query(
    'clashes.record',
    `insert into staging_sync.clash as c (key, subject, kind, prod, local, decision, state)
     select $1, r.subject, r.kind, r.prod::jsonb, r.local::jsonb, r.decision, r.decision
       from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
            as r(subject, kind, prod, local, decision)
     on conflict (key, subject, kind) where resolved_at is null do update
        set prod = excluded.prod, local = excluded.local, decision = excluded.decision, state = excluded.state,
            last_seen = clock_timestamp(), count = c.count + 1`,
    [
      key,
      rows.map(({ subject }) => printable(subject)),
      rows.map(({ kind }) => kind),
      rows.map(({ prod }) => toJson(prod)),
      rows.map(({ local }) => toJson(local)),
      rows.map(({ decision }) => decision),
    ],
  )
}

/** Ends the open clashes of a key that are no longer seen. Returns how many. */
export async function resolveClashes(
  sql: Sql,
  key: string,
  stillSubjects: readonly string[],
): Promise<number> {
  const rows = await sql.query(
    'clashes.resolve',
    `update staging_sync.clash set resolved_at = clock_timestamp(), state = 'resolved'
      where key = $1 and resolved_at is null and subject <> all ($2::text[]) returning 1`,
    [key, stillSubjects.map(printable)],
  )
  return rows.length
}

/** Clashes in one state, newest first; `open`: only those that stand. */
export async function listClashes(
  sql: Sql,
  options: { state?: Clash['state']; key?: string; limit?: number; open?: boolean } = {},
): Promise<Clash[]> {
  const rows = await sql.query<Omit<Clash, 'prod' | 'local'> & { prod: string | null; local: string | null }>(
    'clashes.list',
    `select id, key, subject, kind, prod::text, local::text, decision, state, first_seen::text as "firstSeen",
            last_seen::text as "lastSeen", count, resolved_at::text as "resolvedAt"
       from staging_sync.clash
      where state = coalesce($1, state) and key = coalesce($2, key) and (resolved_at is null or not $4)
      order by last_seen desc, id desc limit $3`,
    [options.state ?? null, options.key ?? null, options.limit ?? 1000, options.open === true],
  )
  return rows.map((row) => ({ ...row, prod: fromJson(row.prod), local: fromJson(row.local) }))
}

/** Open clashes by state, for metrics and `status`. */
export async function countClashes(sql: Sql): Promise<Map<ClashDecision, number>> {
  const rows = await sql.query<{ state: ClashDecision; count: number }>(
    'clashes.count',
    'select state, count(*) as count from staging_sync.clash where resolved_at is null group by state',
  )
  return new Map(rows.map(({ state, count }) => [state, count]))
}

function toJson(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return JSON.stringify(value, (_name, member) => {
    if (typeof member === 'bigint') return member.toString()
    return typeof member === 'string' ? printable(member) : member
  })
}

function fromJson(text: string | null): unknown {
  return text === null ? null : JSON.parse(text)
}

/** PostgreSQL stores neither NUL nor half surrogate pairs; a record of a clash must not fail for that. */
function printable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').replace(/\p{Cs}/gu, '\uFFFD')
}
