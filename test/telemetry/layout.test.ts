import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HttpServer } from '../../src/telemetry/http.ts'
import { renderPage } from '../../src/telemetry/page/page.ts'
import { STYLE } from '../../src/telemetry/page/style.ts'
import { Chromium, findChromium } from './chromium.ts'
import { PAGES } from './full-page.ts'

/*
 * How the page looks, on a phone (390 pixels) and on a desk. Where a Chromium is installed it lays the page out, and what it made of it
 * is measured; the rules that the layout follows from are judged everywhere. `SCREENSHOTS=directory` keeps pictures, for people.
 */

const PHONE = { width: 390, height: 844 }
const DESK = { width: 1280, height: 900 }

describe('the rules of the page', () => {
  it('let nothing be wider than a phone, and break what has no place to break', () => {
    expect(STYLE).toMatch(/body\{[^}]*overflow-wrap:anywhere/)
    expect(STYLE).toMatch(/svg\{[^}]*width:100%;height:auto/)
    expect(STYLE).toMatch(/(^|\})table\{[^}]*width:100%[^}]*table-layout:fixed/m)
    expect(STYLE).toMatch(/main\{[^}]*minmax\(min\(100%,/)
    // A card may be narrower than what it holds; without this a grid makes room for the longest word.
    expect(STYLE).toMatch(/section,dl\{[^}]*min-width:0/)
    expect(STYLE).toMatch(/\.column\{[^}]*min-width:0/)
    const widths = [...STYLE.matchAll(/(?:^|[{;])(?:min-)?width:([\d.]+)(rem|px)/gm)]
    for (const [, size, unit] of widths)
      expect(Number(size) * (unit === 'rem' ? 16 : 1)).toBeLessThan(390 / 2)
  })

  it.each(Object.entries(PAGES))('hold for every page: %s', (_name, data) => {
    const page = renderPage(data)
    expect(page).toContain('<meta name="viewport" content="width=device-width,initial-scale=1">')
    expect(page.match(/<svg viewBox="0 0 400 150"/g)).toHaveLength(2)
    expect(page.match(/<rect class="bar"/g)).toHaveLength(2 * 60)
    for (const [tag] of page.matchAll(/<[^>]+>/g)) expect(tag).not.toMatch(/style=|\bwidth="\d{3,}|nowrap/)
  })
})

const program = findChromium()
if (program === null) console.log('no Chromium here: layout is judged by the rules of the page alone')
else describe('in headless Chromium', () => laidOut(program))

interface Seen {
  readonly wide: readonly string[]
  readonly plots: readonly { top: number; width: number; height: number; bars: number; smallest: number }[]
  readonly tops: Readonly<Record<'h1' | 'figures' | 'plot', number>>
  readonly cut: readonly string[]
  readonly text: string
  readonly active: number
  readonly fetched: number
}

/** Runs in the page: nothing of it is on the page itself, which has no script. */
const LOOK = `(() => {
  const box = (e) => e.getBoundingClientRect()
  const all = [...document.body.querySelectorAll('*')]
  const name = (e) => e.tagName + '.' + (e.getAttribute('class') ?? '') + ' ' + (e.textContent ?? '').slice(0, 40)
  const inner = document.documentElement.clientWidth
  const wide = all.filter((e) => box(e).width > 0 && (box(e).right > inner + 0.5 || box(e).left < -0.5)).map(name)
  if (document.documentElement.scrollWidth > inner) wide.push('the page: ' + document.documentElement.scrollWidth)
  const plots = [...document.querySelectorAll('svg')].map((svg) => {
    const { top, width, height, left, right, bottom } = box(svg)
    const bars = [...svg.querySelectorAll('rect.bar')].map(box)
    const inside = bars.filter((b) => b.left >= left && b.right <= right + 0.5 && b.top >= top && b.bottom <= bottom && b.width > 1 && b.height > 0)
    const scale = width / svg.viewBox.baseVal.width
    const smallest = Math.min(...[...svg.querySelectorAll('text')].map((t) => parseFloat(getComputedStyle(t).fontSize) * scale))
    return { top, width, height, bars: inside.length, smallest }
  })
  const top = (of) => { const e = document.querySelector(of); return e === null ? -1 : box(e).top }
  const cut = all.filter((e) => !(e instanceof SVGElement) && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && getComputedStyle(e).display !== 'inline').map(name)
  return {
    wide, plots, cut, tops: { h1: top('h1'), figures: top('dl'), plot: top('svg') },
    text: document.body.innerText,
    active: document.querySelectorAll('script,img,iframe,object,embed,link,form,input').length + all.filter((e) => [...e.attributes].some(({ name }) => name.startsWith('on'))).length,
    fetched: performance.getEntriesByType('resource').length,
  }
})()`

function laidOut(program: string): void {
  let browser: Chromium
  let http: HttpServer
  let shown = 'quiet'
  beforeAll(async () => {
    http = await HttpServer.create({
      host: '127.0.0.1',
      port: 0,
      metrics: async () => '',
      health: () => ({ ok: true, reasons: [] }),
      pages: {
        page: async () => renderPage(PAGES[shown] as (typeof PAGES)[string]),
        status: async () => '{}',
        ready: async () => [],
      },
      onError: () => {},
    })
    browser = await Chromium.start(program)
  })
  afterAll(async () => {
    await browser?.destroy()
    await http?.destroy()
  })

  const cases = Object.keys(PAGES).flatMap((name) => [
    [name, 'phone', PHONE] as const,
    [name, 'desk', DESK] as const,
  ])
  it.each(cases)('all is in its place: %s, %s', async (name, device, size) => {
    shown = name
    await browser.open(`http://127.0.0.1:${http.port}/`, size)
    const seen = await browser.evaluate<Seen>(LOOK)
    expect(seen.wide).toEqual([])
    expect(seen.cut).toEqual([])
    expect(seen.plots).toHaveLength(2)
    for (const { width, height, bars, smallest } of seen.plots) {
      expect(width).toBeGreaterThan(300)
      expect(height).toBeGreaterThan(100)
      expect(bars).toBe(60)
      expect(smallest).toBeGreaterThanOrEqual(8)
    }
    // The headline, and the figures or what is in the way, are seen without scrolling; on a desk the plot, too.
    expect(seen.tops.h1).toBeLessThan(200)
    expect(seen.tops.figures).toBeLessThan(size.height * 0.75)
    if (device === 'desk') expect(seen.tops.plot + 100).toBeLessThan(size.height)
    expect(seen.active).toBe(0)
    expect(seen.fetched).toBe(0)
    if (name === 'busy') {
      expect(seen.text).toContain(`<script>alert(1)</script>"'&`)
      expect(seen.text).not.toMatch(/hunter2|\u202e/)
    }
    const { SCREENSHOTS } = process.env
    if (SCREENSHOTS !== undefined)
      writeFileSync(
        join(SCREENSHOTS, `${name.replaceAll(' ', '-')}-${device}.png`),
        await browser.screenshot(),
      )
  })
}
