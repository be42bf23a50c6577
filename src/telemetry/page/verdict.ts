import type { PageData } from './data.ts'

export interface Verdict {
  readonly level: 'good' | 'busy' | 'bad'
  /** a few words */
  readonly title: string
  readonly text: string
}

/** A whole comparison that is older says little of today. */
const RECONCILE_STALE_MS = 2 * 86_400_000
/** A mark that is due for so long is no work of the moment. */
const LATE_SECONDS = 60

/** Whether staging equals prod, at a glance; never better than what is known. */
export function verdictOf(data: PageData): Verdict {
  const { status, nowMs } = data
  const failed = data.ready.filter(({ ok }) => !ok)
  if (status === null || failed.length > 0) {
    const reasons = failed.map(({ name, reason }) => `${name}: ${reason}`).join('; ')
    return { level: 'bad', title: 'Cannot tell', text: reasons || "staging's database does not answer" }
  }
  const { queue } = status
  const held = status.clashes.held ?? 0
  const exceptions = [
    ...(held > 0 ? [`${held} ${held === 1 ? 'clash' : 'clashes'} held`] : []),
    ...(queue.parked > 0 ? [`${queue.parked} ${queue.parked === 1 ? 'key' : 'keys'} parked`] : []),
  ]
  const left = queue.live + queue.sweep + queue.waiting + queue.claimed
  if (left > 0) {
    const late = queue.oldestSeconds > LATE_SECONDS
    return {
      level: late ? 'bad' : 'busy',
      title: late ? 'Behind' : 'Being made equal',
      text: [
        `${left} ${left === 1 ? 'key' : 'keys'} in the queue, the oldest ${Math.round(queue.oldestSeconds)} s`,
        ...exceptions,
      ].join('; '),
    }
  }
  if (exceptions.length > 0) return { level: 'bad', title: 'Not equal', text: exceptions.join('; ') }
  const { lastDoneMs } = data.reconcile
  if (lastDoneMs === null || nowMs - lastDoneMs > RECONCILE_STALE_MS) {
    const text = lastDoneMs === null ? 'never' : 'for two days'
    return {
      level: 'busy',
      title: 'Nothing is known to differ',
      text: `but it was not compared as a whole ${text} (reconcile)`,
    }
  }
  return { level: 'good', title: 'Equal', text: 'nothing is known to differ' }
}
