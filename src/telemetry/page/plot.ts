import { type ActivityMinute, MINUTE_MS, SHOWN_MINUTES } from '../../model/activity.ts'
import { duration } from '../../model/human.ts'
import { type Html, html } from './html.ts'

/** Near a phone's own width, so that what is written in it can be read there. */
const WIDTH = 400
const HEIGHT = 150
const LEFT = 48
const TOP = 8
const FLOOR = HEIGHT - 20
const STEP = (WIDTH - LEFT) / SHOWN_MINUTES

/** The axis is logarithmic: milliseconds are the rule, minutes the exception that matters. */
const DECADES = [0.001, 0.01, 0.1, 1, 10, 100, 1000] as const

/** The lag of the last hour: a bar a minute up to the mean, a thin one up to the largest; minutes without a live change are empty. */
export function lagPlot(minutes: readonly ActivityMinute[], nowMs: number): Html {
  const bars = minutes
    .filter(({ lag }) => lag.count > 0)
    .map(({ atMs, lag: { count, sum, max } }) => {
      const title = `${clock(atMs)}: ${count} changes, mean ${duration(sum / count)}, at most ${duration(max)}`
      return html`<g><title>${title}</title>${bar(atMs, nowMs, logHeight(max), 'thin')}${bar(atMs, nowMs, logHeight(sum / count), 'bar')}</g>`
    })
  const lines = DECADES.map((at) => line(logHeight(at), duration(at)))
  return html`${svg('Lag of live changes in the last hour', [
    ...lines,
    ...bars,
    ...(bars.length === 0 ? [nothing('no live change in this hour')] : []),
  ])}
<p class="mute"><span class="key applied"></span> mean <span class="key thin"></span> most</p>`
}

/** Messages that came (thin) and keys that were made equal, a minute. */
export function workPlot(minutes: readonly ActivityMinute[], nowMs: number): Html {
  const most = Math.max(10, ...minutes.map(({ arrived, applied }) => Math.max(arrived, applied)))
  const top = niceAbove(most)
  const height = (count: number): number => TOP + (1 - count / top) * (FLOOR - TOP)
  const bars = minutes.map(
    ({ atMs, arrived, applied }) =>
      html`<g><title>${`${clock(atMs)}: ${arrived} messages came, ${applied} keys made equal`}</title>${bar(atMs, nowMs, height(applied), 'bar')}${bar(atMs, nowMs, height(arrived), 'came')}</g>`,
  )
  const lines = [0, top / 2, top].map((at) => line(height(at), String(at)))
  return html`${svg('Messages and keys in the last hour', [...lines, ...bars, ...(bars.length === 0 ? [nothing('nothing in this hour')] : [])])}
<p class="mute"><span class="key came"></span> messages <span class="key applied"></span> keys</p>`
}

function bar(atMs: number, nowMs: number, top: number, kind: 'bar' | 'thin' | 'came'): Html {
  const age = Math.min(SHOWN_MINUTES - 1, Math.max(0, Math.floor((nowMs - atMs) / MINUTE_MS)))
  const left = WIDTH - (age + 1) * STEP
  const width = kind === 'bar' ? STEP - 1.5 : 1.5
  const x = kind === 'bar' ? left + 0.75 : left + STEP / 2 - 0.75
  const tall = Math.max(1, FLOOR - top)
  return html`<rect class="${kind}" x="${x.toFixed(1)}" y="${(FLOOR - tall).toFixed(1)}" width="${width.toFixed(1)}" height="${tall.toFixed(1)}"/>`
}

function line(y: number, text: string): Html {
  return html`<line x1="${LEFT}" x2="${WIDTH}" y1="${y.toFixed(1)}" y2="${y.toFixed(1)}"/><text x="${LEFT - 5}" y="${(y + 3).toFixed(1)}" text-anchor="end">${text}</text>`
}

function svg(label: string, parts: readonly Html[]): Html {
  const ticks = [45, 30, 15].map(
    (ago) =>
      html`<text x="${(WIDTH - ago * STEP).toFixed(1)}" y="${HEIGHT - 5}" text-anchor="middle">${ago} min</text>`,
  )
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">${parts}<text x="${LEFT}" y="${HEIGHT - 5}">1 h ago</text>${ticks}<text x="${WIDTH}" y="${HEIGHT - 5}" text-anchor="end">now</text></svg>`
}

function nothing(text: string): Html {
  return html`<text x="${(LEFT + WIDTH) / 2}" y="${HEIGHT / 2}" text-anchor="middle">${text}</text>`
}

function logHeight(seconds: number): number {
  const [first, last] = [-3, 3]
  const at = Math.min(last, Math.max(first, Math.log10(Math.max(seconds, 1e-9))))
  return TOP + ((last - at) / (last - first)) * (FLOOR - TOP)
}

/** 10, 20, 50, 100, ... */
function niceAbove(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 5, 10].map((times) => times * power).find((at) => at >= most) ?? most
}

function clock(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 16)}Z`
}
