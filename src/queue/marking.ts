import { KeyError } from '../errors.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Expectation, Mark, Priority } from '../model/outcome.ts'
import type { Sql } from '../staging/database.ts'
import { MAX_EXPECTATIONS, mergeExpectations } from './expectations.ts'
import { QUEUE_CHANNEL } from './queue.ts'

/** The column of the table's index on it. */
export const PRIORITY: Readonly<Record<Priority, number>> = { live: 0, sweep: 1 }

const MAX_KEY_BYTES = 1024

/** One row to upsert. */
export interface MarkRow {
  readonly key: string
  readonly kind: string
  readonly priority: number
  /** JSON object, subject to claim; null: nothing was claimed */
  readonly expect: string | null
  readonly dropped: number
  readonly onlyExpected: boolean
}

/** A key as the text that is stored. Throws KeyError QUEUE_KEY_INVALID (names from the bus can be anything). */
export function keyText(key: Key): string {
  let text: string
  try {
    text = formatKey(key)
  } catch (cause) {
    throw new KeyError('QUEUE_KEY_INVALID', `a name in a ${key.kind} key is not well-formed text`, { cause })
  }
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_KEY_BYTES) {
    throw new KeyError(
      'QUEUE_KEY_INVALID',
      `a key of ${bytes} bytes, more than ${MAX_KEY_BYTES}: ${text.slice(0, 80)}...`,
    )
  }
  return text
}

/** One row per key (PostgreSQL can't upsert a row twice in a statement), sorted by key, as all who lock several rows do. */
export function markRows(marks: readonly Mark[]): MarkRow[] {
  const byKey = new Map<string, { kind: string; priority: number; expect: Expectation[]; only: boolean }>()
  for (const { key, priority, expect, onlyExpected: only = false } of marks) {
    const text = keyText(key)
    const row = byKey.get(text)
    if (row === undefined) {
      byKey.set(text, { kind: key.kind, priority: PRIORITY[priority], expect: [...(expect ?? [])], only })
    } else {
      row.priority = Math.min(row.priority, PRIORITY[priority])
      row.expect.push(...(expect ?? []))
      row.only &&= only
    }
  }
  return [...byKey]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([key, { kind, priority, expect, only }]) => {
      const { kept, dropped } = mergeExpectations(expect)
      const claims = Object.fromEntries(kept.map(({ subject, claim }) => [subject, claim]))
      return {
        key,
        kind,
        priority,
        expect: kept.length === 0 ? null : JSON.stringify(claims),
        dropped,
        // What was dropped is not named any more, and would not be read.
        onlyExpected: only && kept.length > 0 && dropped === 0,
      }
    })
}

/** $1 to $6: the columns of MarkRow. `collate "C"` is the order of markRows, whatever the database's is. */
export const MARK_INPUT = `
  select i.key, i.kind, i.priority, i.dropped, i.only_expected, t.now,
    (select jsonb_object_agg(e.key, jsonb_build_array(e.value, floor(extract(epoch from t.now) * 1000)))
      from jsonb_each(i.expect) e) as expect
  from (select clock_timestamp() as now) t,
    unnest($1::text[], $2::text[], $3::smallint[], $4::jsonb[], $5::integer[], $6::boolean[])
      as i (key, kind, priority, expect, dropped, only_expected)
  order by i.key collate "C"`

/** Whether somebody works on the row; `excluded.marked_at` is the statement's now. */
export const IS_HELD = 'coalesce(q.lease_until > excluded.marked_at, false)'

/** Keys that a round found or made equal, and that nobody has marked since; builds are marked so by messages of signatures, before anybody has looked. */
export const IS_RELOOK = `q.only_expected and q.attempts = 0 and q.kind <> 'build'`

const MERGED = `(select jsonb_object_agg(n.key, n.value) from (
    select e.key, e.value from jsonb_each(q.expect || excluded.expect) e
    order by (e.value ->> 1)::float8 desc, e.key limit ${MAX_EXPECTATIONS}) n)`

const OVER = `greatest(0, (select count(*)::integer from jsonb_each(q.expect || excluded.expect)) - ${MAX_EXPECTATIONS})`

/**
 * What a mark does to a row that exists. A held row keeps its place: its holder's fence sees the generation and gives
 * it back. A parked one starts again. One that is only looked at again was equal until now: it is as old as this mark.
 */
export const MARK_UPDATE = `
    generation = q.generation + 1,
    priority = least(q.priority, excluded.priority),
    due_at = case when ${IS_HELD} then q.due_at else least(q.due_at, excluded.due_at) end,
    marked_at = case when ${IS_RELOOK} and not ${IS_HELD} then excluded.marked_at else q.marked_at end,
    remarked_at = case when ${IS_HELD} then coalesce(q.remarked_at, excluded.marked_at) end,
    attempts = case when q.parked_at is null then q.attempts else 0 end,
    parked_at = null,
    expect = case when q.expect is null then excluded.expect
      when excluded.expect is null then q.expect else ${MERGED} end,
    expect_dropped = q.expect_dropped + excluded.expect_dropped
      + case when q.expect is null or excluded.expect is null then 0 else ${OVER} end,
    only_expected = q.only_expected and excluded.only_expected and ${OVER} = 0`

/** $7 channel, $8 lock_timeout as text, null: as it is. */
const MARK = `
with settings as materialized (select case when $8::text is not null then set_config('lock_timeout', $8, true) end as set),
input as materialized (${MARK_INPUT}),
marked as (
  insert into staging_sync.queue as q (key, kind, priority, due_at, marked_at, expect, expect_dropped, only_expected)
  select key, kind, priority, now, now, expect, dropped, only_expected from settings, input
  on conflict (key) do update set ${MARK_UPDATE}
  returning 1
)
select pg_notify($7, '') from (select count(*) from marked) m`

/**
 * Marks in one statement. An upsert finds its rows by the unique index whatever the planner thinks. All statements that
 * look for rows are planned anew each time instead (`prepare: false`): a plan made while the table was empty would
 * be kept, and scan all of it when it is full.
 */
export async function markIn(
  sql: Sql,
  rows: readonly MarkRow[],
  options: { lockTimeoutMs?: number },
): Promise<void> {
  if (rows.length === 0) return
  const lockTimeout = options.lockTimeoutMs === undefined ? null : `${options.lockTimeoutMs}ms`
  await sql.query('queue.mark', MARK, [...markValues(rows), QUEUE_CHANNEL, lockTimeout])
}

export function markValues(rows: readonly MarkRow[]): unknown[] {
  return [
    rows.map(({ key }) => key),
    rows.map(({ kind }) => kind),
    rows.map(({ priority }) => priority),
    rows.map(({ expect }) => expect),
    rows.map(({ dropped }) => dropped),
    rows.map(({ onlyExpected }) => onlyExpected),
  ]
}
