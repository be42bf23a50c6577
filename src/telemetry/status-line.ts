import { type ActivityMinute, activityOf } from '../model/activity.ts'
import { keysIn, type QueueSample } from '../model/queue-sample.ts'

/** One line that says how it goes: lag of live changes, queue, what waits or is held; for `systemctl status`. */
export function statusLine(at: {
  readonly queue: QueueSample
  /** what this daemon did, oldest first */
  readonly minutes: readonly ActivityMinute[]
  readonly nowMs: number
  readonly heldClashes: number
  /** parts that are down */
  readonly down: readonly string[]
}): string {
  const { queue, minutes, nowMs, heldClashes, down } = at
  const { count, sum, max } = activityOf(minutes, nowMs, 10).lag
  const lag =
    count === 0 ? 'no live change in 10 minutes' : `lag ${seconds(sum / count)} (at most ${seconds(max)})`
  const [due, waiting, parked] = [
    keysIn(queue, 'ready') + keysIn(queue, 'claimed'),
    keysIn(queue, 'waiting'),
    keysIn(queue, 'parked'),
  ]
  const work = due === 0 ? 'queue empty' : `queue ${due} due, oldest ${seconds(queue.oldestSeconds)}`
  const rest = [
    waiting > 0 ? `${waiting} waiting` : '',
    parked > 0 ? `${parked} parked` : '',
    heldClashes > 0 ? `${heldClashes} clashes held` : '',
    down.length > 0 ? `waits for ${down.join(', ')}` : '',
  ]
  return [lag, work, ...rest].filter((part) => part !== '').join('; ')
}

function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`
}
