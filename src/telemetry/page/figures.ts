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
    figure('Tried again later', queue.delayed),
    figure('Equal, looked at again', queue.relook),
    figure('Oldest due', queue.oldestSeconds === 0 ? 'none' : duration(queue.oldestSeconds)),
    figure('Parked', queue.parked, queue.parked > 0 ? 'parked' : null),
    figure('Clashes held', held, held > 0 ? 'clashes' : null),
    figure(
      `Lag, last ${MINUTES} min`,
      count === 0 ? 'none' : html`${duration(sum / count)} <small>most ${duration(max)}</small>`,
    ),
    figure(`Came, last ${MINUTES} min`, counted(lately.arrived, 'message')),
    figure(`Made equal, last ${MINUTES} min`, counted(lately.applied, 'key')),
    figure('Last reconcile', reconcile === null ? 'never' : ago(atMs, reconcile.atMs)),
  ]}</dl>`
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** `alarm`: the part of the page that says more. */
function figure(
  name: string,
  value: Html | string | number,
  alarm: 'clashes' | 'parked' | null = null,
): Html {
  const shown = alarm === null ? html`${value}` : html`<a href="#${alarm}">${value}</a>`
  return html`<div><dt>${name}</dt><dd class="${alarm === null ? 'figure' : 'fail'}">${shown}</dd></div>`
}
