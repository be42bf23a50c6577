import type { StatusReport, Verdict } from './status.ts'

/** A whole comparison that is older says little of today. */
const RECONCILE_STALE_MS = 2 * 86_400_000
/** A mark that is due for so long is no work of the moment. */
const LATE_SECONDS = 60

/**
 * Whether staging equals prod, at a glance; never better than what is known. `failed`: preconditions of working that fail now, as the
 * daemon itself knows them; null: who asks is no daemon.
 */
export function verdictOf(status: StatusReport | null, failed: readonly string[] | null): Verdict {
  if (status === null || (failed ?? []).length > 0) {
    const text = (failed ?? []).join('; ') || "staging's database does not answer"
    return { level: 'bad', title: 'Cannot tell', text }
  }
  const known = verdictOfDatabase(status)
  // A daemon that asks runs, whether it was counted yet or not.
  if (failed !== null || status.daemons.length > 0) return known
  const text = known.level === 'good' ? 'what prod changes is not followed' : known.text
  return { level: 'bad', title: 'No daemon runs', text }
}

function verdictOfDatabase(status: StatusReport): Verdict {
  const { queue } = status
  const exceptions = [
    ...counted(status.clashes.held ?? 0, 'clash held', 'clashes held'),
    ...counted(queue.parked, 'key parked', 'keys parked'),
  ]
  const left = queue.live + queue.sweep + queue.delayed + queue.waiting + queue.claimed
  if (left > 0) {
    const late = queue.oldestSeconds > LATE_SECONDS
    const oldest = queue.oldestSeconds >= 1 ? `, the oldest due for ${Math.round(queue.oldestSeconds)} s` : ''
    return {
      level: late ? 'bad' : 'busy',
      title: late ? 'Behind' : 'Being made equal',
      text: [`${left} ${left === 1 ? 'key' : 'keys'} in the queue${oldest}`, ...exceptions].join('; '),
    }
  }
  if (exceptions.length > 0) return { level: 'bad', title: 'Not equal', text: exceptions.join('; ') }
  const { reconcile } = status
  if (reconcile === null || status.atMs - reconcile.atMs > RECONCILE_STALE_MS) {
    const when = reconcile === null ? 'never' : 'for two days'
    return {
      level: 'busy',
      title: 'Nothing is known to differ',
      text: `but it was not compared as a whole ${when} (reconcile)`,
    }
  }
  return { level: 'good', title: 'Equal', text: 'nothing is known to differ' }
}

function counted(count: number, one: string, more: string): string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : more}`]
}
