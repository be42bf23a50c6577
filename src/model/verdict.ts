import { comparedOf, isLatelyCompared } from './compared.ts'
import { ago } from './human.ts'
import type { StatusReport, Verdict } from './status.ts'

/** A mark that is due for so long is no work of the moment. */
const LATE_SECONDS = 60

type Headline = Omit<Verdict, 'compared'>

/**
 * What is known of differences between staging and prod, at a glance, and what that rests on: nobody can say "equal" of what was not
 * compared. `failed`: preconditions of working that fail now, as the daemon itself knows them; null: who asks is no daemon.
 */
export function verdictOf(status: StatusReport | null, failed: readonly string[] | null): Verdict {
  return { ...headlineOf(status, failed), compared: status === null ? [] : comparedOf(status) }
}

function headlineOf(status: StatusReport | null, failed: readonly string[] | null): Headline {
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

function verdictOfDatabase(status: StatusReport): Headline {
  const { queue } = status
  const exceptions = [
    ...counted(status.clashes.held ?? 0, 'clash held', 'clashes held'),
    ...counted(queue.parked, 'key parked', 'keys parked'),
  ]
  const left = queue.live + queue.sweep + queue.delayed + queue.waiting + queue.claimed
  const late = queue.oldestSeconds > LATE_SECONDS
  if (left > 0 || late) {
    const oldest = queue.oldestSeconds >= 1 ? `, the oldest due for ${Math.round(queue.oldestSeconds)} s` : ''
    return {
      level: late ? 'bad' : 'busy',
      title: late ? 'Behind' : 'Being made equal',
      text: [
        `${counted(late ? left + queue.relook : left, 'key', 'keys').join('')} in the queue${oldest}`,
        ...exceptions,
      ].join('; '),
    }
  }
  if (exceptions.length > 0) return { level: 'bad', title: 'Not equal', text: exceptions.join('; ') }
  if (!isLatelyCompared(status)) {
    const when =
      status.reconcile === null
        ? 'nobody has compared everything yet'
        : `everything was last compared ${ago(status.atMs, status.reconcile.atMs)}`
    return {
      level: 'busy',
      title: 'Not compared',
      text: `no difference is known, but ${when} (reconcile)`,
    }
  }
  const again = counted(queue.relook, 'equal key is', 'equal keys are')
  const more = again.map((keys) => `; ${keys} looked at again, as prod does not show what a message told`)
  return { level: 'good', title: 'No difference known', text: `nothing is queued, parked or held${more}` }
}

function counted(count: number, one: string, more: string): string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : more}`]
}
