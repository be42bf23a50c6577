import type { QueueSample } from './labels.ts'
import type { LagMinute } from './recent.ts'

/** One line that says how it goes: lag of live changes, queue, what waits or is held; for `systemctl status`. */
export function statusLine(at: {
  readonly queue: QueueSample
  /** oldest first; see Recent.lags */
  readonly lags: readonly LagMinute[]
  readonly nowMs: number
  readonly heldClashes: number
  /** parts that are down */
  readonly down: readonly string[]
}): string {
  const { queue, lags, nowMs, heldClashes, down } = at
  const last = lags.at(-1)
  const lag =
    last === undefined || nowMs - last.atMs > 10 * 60_000
      ? 'no live change in 10 minutes'
      : `lag ${seconds(last.mean)} (at most ${seconds(last.max)})`
  const due = queue.ready.live + queue.ready.sweep + queue.claimed
  const work = due === 0 ? 'queue empty' : `queue ${due} due, oldest ${seconds(queue.oldestSeconds)}`
  const rest = [
    queue.waiting > 0 ? `${queue.waiting} waiting` : '',
    queue.parked > 0 ? `${queue.parked} parked` : '',
    heldClashes > 0 ? `${heldClashes} clashes held` : '',
    down.length > 0 ? `waits for ${down.join(', ')}` : '',
  ]
  return [lag, work, ...rest].filter((part) => part !== '').join('; ')
}

function seconds(value: number): string {
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`
}
