import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { evaluate, parsePage, type Sample, type Scrape } from './promql.ts'

export const RULES = join(import.meta.dirname, '..', '..', 'config', 'prometheus', 'rules.yml')

export interface Alert {
  readonly name: string
  readonly expr: string
  /** seconds for which it must hold before it fires */
  readonly holdSeconds: number
}

/** The alerts of config/prometheus/rules.yml, which keeps to one form. */
export function readAlerts(): Alert[] {
  const text = readFileSync(RULES, 'utf8')
  const alerts = [...text.matchAll(/^ +- alert: (\w+)\n +expr: >-\n +(.+)\n +for: (\d+)([mh])$/gm)].map(
    ([, name = '', expr = '', count, unit]) => ({
      name,
      expr,
      holdSeconds: Number(count) * (unit === 'h' ? 3600 : 60),
    }),
  )
  if (alerts.length !== text.match(/- alert:/g)?.length) throw new Error('an alert is of another form')
  return alerts
}

/** For so many minutes a scrape a minute found this page; null: nobody answered. */
export type Stretch = readonly [minutes: number, page: string | null]

/** The alerts that fire at the end of the stretches, which begin now: pages tell the time by this host's clock. */
export function firingAfter(...stretches: readonly Stretch[]): string[] {
  const start = Math.floor(Date.now() / 1000) + 1
  const scrapes: Scrape[] = []
  for (const [minutes, page] of stretches) {
    const samples = scraped(page)
    for (let minute = 0; minute < minutes; minute += 1)
      scrapes.push({ at: start + scrapes.length * 60, samples })
  }
  return readAlerts()
    .filter((alert) => isFiring(alert, scrapes))
    .map(({ name }) => name)
    .sort()
}

/** Holds at each scrape of the time that it must hold for; of one with labels the same labels. */
export function isFiring({ expr, holdSeconds }: Alert, scrapes: readonly Scrape[]): boolean {
  const end = scrapes.at(-1)?.at ?? 0
  const since = scrapes.filter(({ at }) => at >= end - holdSeconds)
  if (end - (since[0]?.at ?? end) < holdSeconds) return false
  let holding: Set<string> | null = null
  for (const { at } of since) {
    const found = evaluate(expr, at, scrapes)
    if (typeof found === 'number') throw new Error(`${expr} is a number`)
    const now = new Set(found.map(({ labels }) => JSON.stringify(labels)))
    const before: ReadonlySet<string> = holding ?? now
    holding = new Set([...now].filter((one) => before.has(one)))
    if (holding.size === 0) return false
  }
  return true
}

function scraped(page: string | null): Sample[] {
  const target = { job: 'koji-staging-sync', instance: 'staging:9177' }
  const up = { labels: { __name__: 'up', ...target }, value: page === null ? 0 : 1 }
  const of = ({ labels, value }: Sample): Sample => ({ labels: { ...labels, ...target }, value })
  return [up, ...(page === null ? [] : parsePage(page).map(of))]
}
