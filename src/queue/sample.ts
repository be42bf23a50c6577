import type { Priority } from '../model/outcome.ts'
import { QUEUE_STATES, type QueueSample, type QueueState } from '../model/queue-sample.ts'
import type { Sql } from '../staging/database.ts'
import { safeNumber } from './claim-row.ts'
import { IS_RELOOK } from './marking.ts'

/** A key that is equal but for what a message claimed is looked at again by a schedule: it is late from then on, not from the message. */
const SINCE = 'case when q.only_expected then greatest(q.due_at, q.marked_at) else q.marked_at end'

const SAMPLE = `
with clock as materialized (select clock_timestamp() as now),
rows as (
  select q.priority, q.last_code, case
      when q.parked_at is not null and coalesce(q.lease_until <= now, true) then 'parked'
      when ${IS_RELOOK} then 'relook'
      when q.lease_until > now then 'claimed'
      when q.due_at <= now then 'ready'
      when q.waiting_for <> '{}' then 'waiting'
      else 'delayed' end as state,
    case when q.due_at <= now and q.parked_at is null then extract(epoch from now - ${SINCE}) end as age
  from staging_sync.queue q, clock
)
select state, priority, case state when 'parked' then coalesce(last_code, '') end as code, count(*) as count,
       coalesce(max(age), 0)::float8 as oldest
  from rows group by 1, 2, 3`

interface SampleRow {
  readonly state: QueueState
  readonly priority: 0 | 1
  readonly code: string | null
  readonly count: unknown
  readonly oldest: number
}

/** The queue as it is now. Reads the whole table once: for a look every few seconds, not for a loop. */
export async function readSample(sql: Sql): Promise<QueueSample> {
  const rows = await sql.query<SampleRow>('queue.sample', SAMPLE)
  const keys = Object.fromEntries(QUEUE_STATES.map((state) => [state, { live: 0, sweep: 0 }])) as Record<
    QueueState,
    Record<Priority, number>
  >
  const parked: Record<string, number> = {}
  let oldestSeconds = 0
  for (const { state, priority, code, count, oldest } of rows) {
    const number = safeNumber(count, 'count')
    keys[state][priority === 0 ? 'live' : 'sweep'] += number
    if (code !== null) parked[code] = (parked[code] ?? 0) + number
    oldestSeconds = Math.max(oldestSeconds, oldest)
  }
  return { keys, parked, oldestSeconds }
}
