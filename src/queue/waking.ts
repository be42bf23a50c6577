import { IS_HELD } from './marking.ts'
import type { QueueTiming } from './options.ts'

/**
 * The end of a key marks the keys that waited for it: `gone` is a CTE of the rows that were just deleted (key, priority,
 * wakes). A waiter is due when the last that it waits for is gone; one that went on without (its dependency was parked)
 * comes again. Waiters are found by `on conflict`, which sees what was committed while we waited for the row: `wait` adds
 * itself to `wakes` under the dependency's row lock, so either we see it there, or it sees that the dependency is gone.
 *
 * `paced`: after `promptWaits` waits in a row it is due a little later each time, lest a key that waits for what
 * never comes keeps two keys going round.
 */
export function wakeFrom(gone: string, timing: QueueTiming): string {
  const left = `(select coalesce(array_agg(d), '{}') from unnest(q.waiting_for) d where d <> all(excluded.waiting_for))`
  return `
  insert into staging_sync.queue as q (key, kind, priority, due_at, marked_at, waiting_for)
  select w.key, split_part(w.key, '/', 1), min(${gone}.priority), max(t.now), max(t.now), array_agg(${gone}.key)
  from (select clock_timestamp() as now) t, ${gone}, unnest(${gone}.wakes) as w (key)
  group by w.key order by w.key collate "C"
  on conflict (key) do update set
    generation = q.generation + 1,
    waiting_for = ${left},
    remarked_at = case when ${IS_HELD} then coalesce(q.remarked_at, excluded.marked_at) end,
    due_at = case when ${IS_HELD} or ${left} <> '{}' then q.due_at
      else least(q.due_at, excluded.due_at + ${paced('q.waits', timing)}) end`
}

/** How much later a key is due for having waited often, as an interval. */
export function paced(waits: string, timing: QueueTiming): string {
  const { promptWaits, backoffBaseMs, backoffCeilingMs } = timing
  return `case when ${waits} <= ${promptWaits} then interval '0'
      else least(${backoffBaseMs} * power(2, least(${waits} - ${promptWaits}, 30)), ${backoffCeilingMs})
        * interval '1 ms' end`
}
