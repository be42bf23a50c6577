import { activityOf } from '../../model/activity.ts'
import { ago, duration } from '../../model/human.ts'
import type { StatusReport } from '../../model/status.ts'
import { type Html, html } from './html.ts'

const MINUTES = 5

/** The numbers that are looked at first. */
export function figures(status: StatusReport): Html {
  const { queue, clashes, reconcile, atMs } = status
  const lately = activityOf(status.minutes, atMs, MINUTES)
  const { count, sum, max } = lately.lag
  const held = clashes.held ?? 0
  return html`<dl>${[
    figure('Ready, live', queue.live),
    figure('Ready, sweep', queue.sweep),
    figure('Worked on', queue.claimed),
    figure('Waiting for others', queue.waiting),
    figure('Looked at again later', queue.delayed),
    figure('Oldest due', duration(queue.oldestSeconds)),
    figure('Parked', queue.parked, queue.parked > 0),
    figure('Clashes held', held, held > 0),
    figure(
      `Lag, last ${MINUTES} min`,
      count === 0 ? 'none' : `${duration(sum / count)} (max ${duration(max)})`,
    ),
    figure(`Came, last ${MINUTES} min`, `${lately.arrived} messages`),
    figure(`Made equal, last ${MINUTES} min`, `${lately.applied} keys`),
    figure('Last reconcile', reconcile === null ? 'never' : ago(atMs, reconcile.atMs)),
  ]}</dl>`
}

function figure(name: string, value: string | number, alarm = false): Html {
  return html`<div><dt>${name}</dt><dd class="${alarm ? 'fail' : 'figure'}">${value}</dd></div>`
}
