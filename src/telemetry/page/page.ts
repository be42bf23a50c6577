import type { ShownClash, ShownParked, StatusReport } from '../../model/operations.ts'
import type { PageData } from './data.ts'
import { Html, html } from './html.ts'
import { duration, lagPlot } from './plot.ts'
import { STYLE } from './style.ts'
import { verdictOf } from './verdict.ts'

const REFRESH_SECONDS = 10
/** Of one side of a clash; the command shows all of it. */
const MAX_SIDE = 4000
const MAX_SHOWN = 50

/** The page for people: one answer, no script, nothing fetched. */
export function renderPage(data: PageData): string {
  const verdict = verdictOf(data)
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}"><title>${verdict.title} - koji-staging-sync</title>
<style>${new Html(STYLE)}</style></head><body>
<h1>staging of <code>${data.prodHub}</code>, as ${data.host} sees it at ${time(data.nowMs)}</h1>
<p class="verdict ${verdict.level}"><b>${verdict.title}</b>${verdict.text}</p>
${data.status === null ? null : figures(data, data.status)}
<h2>Lag of live changes, last hour</h2>${lagPlot(data.lags, data.nowMs)}
<h2>Preconditions</h2><ul>${data.ready.map(({ name, ok, reason }) => html`<li class="${ok ? 'pass' : 'fail'}">${ok ? 'ok' : 'FAIL'} ${name} <small>${reason}</small></li>`)}</ul>
${clashes(data)}${parked(data)}${recent(data)}${finding(data)}
<p class="mute">koji-staging-sync ${data.version}, up for ${ago(data.nowMs - data.startedMs)}. <a href="status.json">status.json</a> <a href="metrics">metrics</a> <a href="readyz">readyz</a></p>
</body></html>
`
  return page.text
}

function figures(data: PageData, { queue }: StatusReport): Html {
  const last = data.lags.at(-1)
  const figure = (name: string, value: string | number): Html =>
    html`<div><dt>${name}</dt><dd>${value}</dd></div>`
  return html`<h2>Queue</h2><dl>${[
    figure('ready, live', queue.live),
    figure('ready, sweep', queue.sweep),
    figure('being worked on', queue.claimed),
    figure('waiting', queue.waiting),
    figure('parked', queue.parked),
    figure('oldest', `${Math.round(queue.oldestSeconds)} s`),
    figure('lag, last minute with changes', last === undefined ? 'none' : duration(last.max)),
  ]}</dl>`
}

function clashes({ clashes: report, status }: PageData): Html | null {
  if (report === null) return null
  const counts = Object.entries(status?.clashes ?? {}).map(([state, count]) => `${count} ${state}`)
  const decisions = report.decisions.map(
    ({ key, name, policy, by, host, at }) =>
      html`<li>${policy} <code>${name ?? key}</code> <small>by ${by} on ${host}, ${at}</small></li>`,
  )
  return html`<h2>Clashes</h2><p class="mute">${counts.length === 0 ? 'none stands' : counts.join(', ')}</p>
<ul>${report.clashes.slice(0, MAX_SHOWN).map(clash)}</ul>${decisions.length === 0 ? null : html`<p class="mute">decided by hand</p><ul>${decisions}</ul>`}`
}

function clash({ key, name, subject, kind, state, prod, local, firstSeen }: ShownClash): Html {
  return html`<li><details${state === 'held' ? new Html(' open') : null}><summary><span class="${state === 'held' ? 'fail' : 'pass'}">${state}</span> <code>${name ?? key}</code> ${kind} <small>${subject}, since ${firstSeen}</small></summary>
<div class="sides"><div>prod<pre>${side(prod)}</pre></div><div>staging<pre>${side(local)}</pre></div></div><small><code>koji-staging-sync clashes resolve ${key} prod-wins|local-wins|hold</code></small></details></li>`
}

function side(value: unknown): string {
  const text = value === null || value === undefined ? 'none' : (JSON.stringify(value, null, 1) ?? 'none')
  return text.length > MAX_SIDE ? `${text.slice(0, MAX_SIDE)}\n... clashes show prints all of it` : text
}

function parked({ parked: keys, status }: PageData): Html | null {
  if (keys === null) return null
  const more = (status?.queue.parked ?? 0) - keys.length
  const item = ({ key, name, code, reason, attempts, since, retryAt }: ShownParked): Html =>
    html`<li><code>${name ?? key}</code> <span class="fail">${code}</span> ${reason} <small>${key}, ${attempts} attempts, since ${since}, again at ${retryAt}</small></li>`
  return html`<h2>Parked keys</h2>${keys.length === 0 ? html`<p class="mute">none</p>` : html`<ul>${keys.map(item)}</ul>`}${more > 0 ? html`<p class="mute">and ${more} more: <code>parked list</code></p>` : null}`
}

function recent({ recent: things, nowMs }: PageData): Html {
  const item = ({ atMs, what, subject, detail }: PageData['recent'][number]): Html =>
    html`<li>${what} <code>${subject}</code> <small>${detail} ${ago(nowMs - atMs)} ago</small></li>`
  return html`<h2>What came and was done</h2>${things.length === 0 ? html`<p class="mute">nothing since the start</p>` : html`<ul>${things.slice(0, 20).map(item)}</ul>`}`
}

function finding({ reconcile, status, nowMs, placements }: PageData): Html {
  const lines: Html[] = []
  const { lastDoneMs, last } = reconcile
  lines.push(
    html`<li>reconcile: ${lastDoneMs === null ? 'never' : `${ago(nowMs - lastDoneMs)} ago`} <small>${last === null ? null : `this daemon's last: ${last.differences} differences in ${last.tags} tags, ${last.builds} builds`}</small></li>`,
  )
  for (const { source, event, lastSuccess } of status?.cursors ?? []) {
    lines.push(
      html`<li>catch-up ${source}: event ${event ?? 'none'} <small>last success ${lastSuccess ?? 'never'}</small></li>`,
    )
  }
  const scrub = status?.scrub ?? null
  if (scrub === null) lines.push(html`<li>scrub: never</li>`)
  else {
    const found = Object.entries(scrub.missed).map(([kind, count]) => `${count} ${kind}`)
    lines.push(
      html`<li>scrub: pass ${scrub.pass}, ${scrub.done} of ${scrub.builds} builds <small>${scrub.inTime ? null : 'too slow for scrub.days; '}found ${found.join(', ') || 'nothing'}</small></li>`,
    )
  }
  for (const { mode, state, builds } of placements)
    lines.push(html`<li>placement ${mode}: ${builds} builds ${state}</li>`)
  return html`<h2>Finding</h2><ul>${lines}</ul>`
}

function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

function ago(ms: number): string {
  return duration(Math.max(0, Math.round(ms / 1000)))
}
