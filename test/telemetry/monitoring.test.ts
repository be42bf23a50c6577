import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { metricsMarkdown } from '../../src/cli/metrics-command.ts'
import { DRIFT_KINDS } from '../../src/model/drift.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { scratchHome } from '../support/scratch.ts'
import { isFiring, RULES, readAlerts } from './alerts.ts'
import { parsePage, type Scrape } from './promql.ts'

const root = join(import.meta.dirname, '..', '..')
const rules = readFileSync(RULES, 'utf8')
const dashboard = readFileSync(join(root, 'config', 'grafana', 'dashboard.json'), 'utf8')
const alerts = readAlerts()

/** Series of two hours and a half, one value a minute: what makes an alert fire, and what comes after the cause is gone. */
const CAUSES: Readonly<Record<string, readonly [series: string, bad: string, good: string][]>> = {
  KojiSyncDown: [['up{job="koji-staging-sync"}', '0', '1']],
  KojiSyncWritingStopped: [['kojisync_writing_stopped', '1', '0']],
  KojiSyncLagHigh: [
    ['kojisync_lag_seconds_bucket{le="30"}', '0+0', '0+60'],
    ['kojisync_lag_seconds_bucket{le="300"}', '0+60', '9000+60'],
    ['kojisync_lag_seconds_bucket{le="+Inf"}', '0+60', '9000+60'],
  ],
  KojiSyncQueueOld: [['kojisync_queue_oldest_seconds', '1000', '1']],
  KojiSyncCatchUpStale: [['kojisync_catchup_last_success_timestamp_seconds', '0', '9000+60']],
  KojiSyncReconcileStale: [['kojisync_reconcile_last_success_timestamp_seconds', '-200000', '9000']],
  KojiSyncClashesHeld: [['kojisync_clashes{state="held"}', '2', '0']],
  KojiSyncDriftFound: [
    ['kojisync_drift{kind="tag"}', '1', '0'],
    ['kojisync_scrub_missed_total{kind="tag"}', '0+1', '150+0'],
  ],
  KojiSyncParkedKeys: [['kojisync_queue_keys{state="parked"}', '1', '0']],
  KojiSyncQuietDrift: [
    ['kojisync_drift{kind="owner"}', '90', '0'],
    ['kojisync_scrub_missed_total{kind="owner"}', '0+1', '150+0'],
  ],
  KojiSyncProdFilesMissing: [['kojisync_scrub_missed_total{kind="files"}', '0+1', '150+0']],
  KojiSyncNoRoom: [['kojisync_breaker_open{part="space"}', '1', '0']],
  KojiSyncStorageRefused: [['kojisync_breaker_open{part="storage"}', '1', '0']],
  KojiSyncDatabaseDown: [['kojisync_breaker_open{part="database"}', '1', '0']],
  KojiSyncBusSilent: [
    ['kojisync_bus_last_message_timestamp_seconds', '0', '9000+60'],
    ['kojisync_bus_configured_endpoints', '1', '1'],
  ],
  KojiSyncHubErrors: [
    ['kojisync_hub_requests_total{outcome="outage"}', '0+30', '4500+0'],
    ['kojisync_hub_requests_total{outcome="ok"}', '0+60', '9000+60'],
  ],
  KojiSyncReloadRefused: [['kojisync_config_reload_refused{instance="a"}', '1', '0']],
  KojiSyncTrustEnds: [['kojisync_crl_next_update_timestamp_seconds', '100000', '900000']],
}
const HALF = 150
/** Minutes between two scrapes of promtool's. */
const STRIDE = 5
/** Minutes after which an alert must be quiet again: what it looks back at is over. */
const QUIET_AFTER = (name: string): number =>
  ['KojiSyncDriftFound', 'KojiSyncQuietDrift', 'KojiSyncProdFilesMissing'].includes(name)
    ? HALF + 1500
    : HALF + 60

const DAY = 86_400

/** What fires when a page that never changes is scraped for two hours, on the thirtieth day after 1970. */
function firing(...series: string[]): string[] {
  const samples = parsePage(series.join('\n'))
  const scrapes = Array.from({ length: 120 }, (_, minute) => ({ at: 30 * DAY + minute * 60, samples }))
  return alerts.filter((alert) => isFiring(alert, scrapes)).map(({ name }) => name)
}

describe('what monitoring is told', () => {
  it('is described by the docs as it is', async () => {
    expect(readFileSync(join(root, 'docs', 'metrics.md'), 'utf8')).toBe(await metricsMarkdown())
  })

  it('asks only for metrics, labels and label values that the daemon exports', async () => {
    const page = await new Metrics({ version: 'x' }).page()
    const series = new Set([...page.matchAll(/^(kojisync_\w+)/gm)].map(([, name]) => name))
    const asked = [
      ...`${rules}${dashboard.replaceAll('\\"', '"')}`.matchAll(/(kojisync_\w+)(?:\{(\w+)="(\w+)"\})?/g),
    ]
    expect(asked.length).toBeGreaterThan(30)
    for (const [, name = '', label, value] of asked) {
      expect([...series]).toContain(name)
      if (label !== undefined) expect(page).toMatch(new RegExp(`^${name}\\{[^}]*${label}="${value}"`, 'm'))
    }
    const by = [...`${rules}${dashboard}`.matchAll(/by \((\w+)\) \([^)]*?(kojisync_\w+?)(?:_bucket)?[[)]/g)]
    const known = `${page}\nkojisync_process_resident_memory_bytes{instance="`
    for (const [, label = '', name = ''] of by) {
      expect([name, label, new RegExp(`^${name}(_bucket)?\\{[^}]*\\b${label}="`, 'm').test(known)]).toEqual([
        name,
        label,
        true,
      ])
    }
  })

  it('has an alert for each cause, and a panel for each query', () => {
    expect(alerts.map(({ name }) => name).sort()).toEqual(Object.keys(CAUSES).sort())
    expect(rules.match(/- alert:/g)).toHaveLength(alerts.length)
    const { panels } = JSON.parse(dashboard) as { panels: { id: number; targets: { expr: string }[] }[] }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    for (const { targets } of panels) expect(targets.length).toBeGreaterThan(0)
  })

  it.each(Object.keys(CAUSES))('fires %s while its series are bad, and no longer', (name) => {
    const alert = alerts.find((one) => one.name === name)
    if (alert === undefined) throw new Error(`no alert ${name}`)
    const scrapes: Scrape[] = []
    for (let minute = 0; minute < QUIET_AFTER(name); minute += 1) {
      const samples = (CAUSES[name] ?? []).flatMap(([series, bad, good]) => {
        const [text, since] = minute < HALF ? [bad, 0] : [good, HALF]
        const [first = 0, step = 0] = text.split('+').map(Number)
        return parsePage(`${series} ${first + step * (minute - since)}`)
      })
      scrapes.push({ at: minute * 60, samples })
      if (minute === HALF - 1) expect(isFiring(alert, scrapes)).toBe(true)
    }
    expect(isFiring(alert, scrapes)).toBe(false)
  })

  it('takes each kind of drift into one alert, and few of a kind that Koji tells nobody of into none', () => {
    const kinds = ['KojiSyncDriftFound', 'KojiSyncQuietDrift', 'KojiSyncProdFilesMissing'].flatMap((name) => {
      const { expr = '' } = alerts.find((one) => one.name === name) ?? {}
      const lists = [...expr.matchAll(/kind=~?"([^"]+)"/g)].map(([, list = '']) => list)
      expect(new Set(lists).size).toBe(1)
      return (lists[0] ?? '').split('|')
    })
    expect(kinds.sort()).toEqual([...DRIFT_KINDS].sort())
    expect(firing('kojisync_drift{kind="volume"} 3', 'kojisync_drift{kind="checksums"} 40')).toEqual([])
  })

  it('asks nothing of a site without a bus, and no comparison of an installation of yesterday', () => {
    const never = 'kojisync_bus_last_message_timestamp_seconds 0'
    expect(firing(never, 'kojisync_bus_configured_endpoints 0')).toEqual([])
    expect(firing(never, 'kojisync_bus_configured_endpoints 2')).toEqual(['KojiSyncBusSilent'])
    const started = (day: number) => `kojisync_process_start_time_seconds ${day * DAY}`
    const compared = 'kojisync_reconcile_last_success_timestamp_seconds 0'
    expect(firing(compared, started(29))).not.toContain('KojiSyncReconcileStale')
    expect(firing(compared, started(27))).toContain('KojiSyncReconcileStale')
  })

  // The same by Prometheus itself, where it is installed; `PROMTOOL` names another one.
  const promtool = process.env.PROMTOOL ?? 'promtool'
  const tool = (...argv: string[]) => spawnSync(promtool, argv, { encoding: 'utf8' })
  const missing = tool('--version').error !== undefined
  if (missing) console.log('no promtool here: alerts are judged by test/telemetry/promql.ts alone')

  it('is taken by promtool', () => {
    if (missing) return
    const { status, stdout, stderr } = tool('check', 'rules', RULES)
    expect([status, stdout + stderr]).toEqual([0, expect.stringContaining(`${alerts.length} rules found`)])
  })

  it('fires each alert while its cause lasts, and no longer, by promtool too', () => {
    if (missing) return
    const directory = mkdtempSync(join(scratchHome(), 'kss-rules-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const names = Object.keys(CAUSES)
    const longest = Math.max(...names.map(QUIET_AFTER)) + 10
    // One world for all: each alert asks for series of its own.
    const test = {
      interval: `${STRIDE}m`,
      input_series: Object.values(CAUSES).flatMap((series) =>
        series.map(([one, bad, good]) => ({
          series: one,
          values: `${lasting(bad, HALF)} ${lasting(good, longest - HALF)}`,
        })),
      ),
      promql_expr_test: names.flatMap((name) => [
        {
          expr: `count(ALERTS{alertname="${name}",alertstate="firing"}) > bool 0`,
          eval_time: `${HALF - 1}m`,
          exp_samples: [{ labels: '{}', value: 1 }],
        },
        {
          expr: `count(ALERTS{alertname="${name}",alertstate="firing"})`,
          eval_time: `${QUIET_AFTER(name)}m`,
          exp_samples: [],
        },
      ]),
    }
    const file = join(directory, 'test.yml')
    writeFileSync(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '5m', tests: [test] }))
    const { status, stdout, stderr } = tool('test', 'rules', file)
    expect([status, stdout + stderr]).toEqual([0, expect.anything()])
  })
})

/** promtool's notation: `1` stays, `0+60` grows by that in a minute. */
function lasting(value: string, minutes: number): string {
  const [first = 0, step = 0] = value.split('+').map(Number)
  return `${first}+${step * STRIDE}x${minutes / STRIDE - 1}`
}
