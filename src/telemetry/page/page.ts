import { ago, countsText, duration } from '../../model/human.ts'
import type { ShownThing, Verdict } from '../../model/status.ts'
import { clashPart, parkedPart } from './attention.ts'
import type { PageData } from './data.ts'
import { figures } from './figures.ts'
import { findingPart, placementPart } from './finding.ts'
import { Html, html } from './html.ts'
import { lagPlot, workPlot } from './plot.ts'
import { STYLE } from './style.ts'

const REFRESH_SECONDS = 10
const MAX_THINGS = 15

/** The page for people: one answer, no script, nothing fetched. What needs a person stands first. */
export function renderPage(data: PageData): string {
  const { verdict, status, nowMs } = data
  const minutes = status?.minutes ?? data.own.minutes
  const atMs = status?.atMs ?? nowMs
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="refresh" content="${REFRESH_SECONDS}"><title>${verdict.title} - koji-staging-sync</title>
<style>${new Html(STYLE)}</style></head><body>
<header><p class="mute">Staging of <code>${data.prodHub}</code></p>
<div class="verdict ${verdict.level}"><h1>${verdict.title}</h1><p>${verdict.text}</p>${compared(verdict)}</div></header>
<main>${failing(data)}${status === null ? null : figures(status)}
<section><h2>Lag of live changes</h2>${lagPlot(minutes, atMs)}</section>
<section><h2>Messages and keys, per minute</h2>${workPlot(minutes, atMs)}</section>
${status === null ? null : html`${clashPart(status)}${parkedPart(status)}`}
<div class="column">${recentPart(data)}</div>
<div class="column">${status === null ? null : html`${findingPart(status)}${placementPart(status)}`}${ready(data)}</div></main>
<footer><p>As ${data.host} saw it at ${new Date(nowMs).toISOString().slice(0, 19)}Z; it runs ${data.version} for ${duration(Math.max(0, (nowMs - data.startedMs) / 1000))}${daemons(data)}. Refreshes every ${REFRESH_SECONDS} s.</p>
<p><a href="status.json">status.json</a> <a href="metrics">metrics</a> <a href="readyz">readyz</a> <a href="healthz">healthz</a></p></footer>
</body></html>
`
  return page.text
}

/** What the headline rests on. */
function compared({ compared }: Verdict): Html | null {
  if (compared.length === 0) return null
  return html`<ul>${compared.map(({ by, text }) => html`<li><b>${by}</b> ${text}</li>`)}</ul>`
}

function daemons({ status }: PageData): string {
  const all = status?.daemons ?? []
  return all.length < 2
    ? ''
    : `, one of ${all.length} (${all.map(({ host, pid }) => `${host}:${pid}`).join(', ')})`
}

/** Preconditions that fail come first; all of them stand at the end. */
function failing(data: PageData): Html | null {
  const failed = data.ready.filter(({ ok }) => !ok)
  if (failed.length === 0) return null
  return html`<section class="wide"><h2>What is in the way</h2><ul>${failed.map(check)}</ul></section>`
}

function ready(data: PageData): Html {
  return html`<section><h2>Preconditions</h2><ul>${data.ready.map(check)}</ul></section>`
}

function check({ name, ok, reason }: PageData['ready'][number]): Html {
  return html`<li><span class="${ok ? 'pass' : 'fail'}">${ok ? 'ok' : 'FAIL'}</span> ${name} <small>${reason}</small></li>`
}

function recentPart({ status, own, nowMs }: PageData): Html {
  const things = status?.recent ?? own.things.map((thing) => ({ ...thing, name: null }))
  const atMs = status?.atMs ?? nowMs
  const items = joined(things)
    .slice(0, MAX_THINGS)
    .map((some) => thing(some, atMs))
  return html`<section><h2>What came and was done</h2>${items.length === 0 ? html`<p class="mute">nothing in this hour</p>` : html`<ul>${items}</ul>`}</section>`
}

type Line = [ShownThing, ...ShownThing[]]

/** Messages that came one after the other are one line. */
function joined(things: readonly ShownThing[]): Line[] {
  const lines: Line[] = []
  for (const one of things) {
    const last = lines.at(-1)
    if (one.what === 'message' && last?.[0].what === 'message') last.push(one)
    else lines.push([one])
  }
  return lines
}

function thing(some: Line, nowMs: number): Html {
  const { atMs, what, subject, name, detail } = some[0]
  if (some.length > 1) {
    const topics = new Map<string, number>()
    for (const one of some) topics.set(one.subject, (topics.get(one.subject) ?? 0) + 1)
    return html`<li>${some.length} messages <small>${countsText(Object.fromEntries(topics))}, ${ago(nowMs, atMs)}</small></li>`
  }
  const known = name === null || name === subject ? null : `${subject}, `
  return html`<li>${what} <code>${name ?? subject}</code> <small>${known}${detail === '' ? null : `${detail}, `}${ago(nowMs, atMs)}</small></li>`
}
