import type { LagMinute } from '../recent.ts'
import { type Html, html } from './html.ts'

const WIDTH = 600
const HEIGHT = 120
const LEFT = 44
const BOTTOM = 18
const MINUTES = 60
/** The axis is logarithmic: milliseconds are the rule, minutes the exception that matters. */
const DECADES = [0.001, 0.01, 0.1, 1, 10, 100, 1000] as const
const FIRST = -3
const LAST = 3

/** The lag of the last hour: a bar a minute from the mean to the largest; minutes without a live change are empty. */
export function lagPlot(lags: readonly LagMinute[], nowMs: number): Html {
  const step = (WIDTH - LEFT) / MINUTES
  const bars = lags.map(({ atMs, count, mean, max }) => {
    const age = Math.min(MINUTES - 1, Math.max(0, (nowMs - atMs) / 60_000))
    const x = (WIDTH - (age + 1) * step).toFixed(1)
    const top = height(max)
    const tall = Math.max(2, height(mean) - top)
    return html`<rect x="${x}" y="${top.toFixed(1)}" width="${(step - 1).toFixed(1)}" height="${tall.toFixed(1)}"><title>${`${count} changes, mean ${duration(mean)}, at most ${duration(max)}`}</title></rect>`
  })
  const lines = DECADES.map((at) => {
    const y = height(at).toFixed(1)
    return html`<line x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}"/><text x="${LEFT - 4}" y="${(height(at) + 3).toFixed(1)}" text-anchor="end">${duration(at)}</text>`
  })
  const empty =
    lags.length === 0
      ? html`<text x="${WIDTH / 2}" y="${HEIGHT / 2}" text-anchor="middle">no live change in this hour</text>`
      : null
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Lag of live changes in the last hour">${lines}${bars}${empty}<text x="${LEFT}" y="${HEIGHT - 4}">an hour ago</text><text x="${WIDTH}" y="${HEIGHT - 4}" text-anchor="end">now</text></svg>`
}

function height(seconds: number): number {
  const at = Math.min(LAST, Math.max(FIRST, Math.log10(Math.max(seconds, 1e-9))))
  return 8 + ((LAST - at) / (LAST - FIRST)) * (HEIGHT - BOTTOM - 12)
}

/** `32 ms`, `1.5 s`, `4 min`, `3 h` */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 120) return `${Number(seconds.toPrecision(2))} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
}
