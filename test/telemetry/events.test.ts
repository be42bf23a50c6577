import { describe, expect, it } from 'vitest'
import { KeyError, OutageError, SafetyError } from '../../src/errors.ts'
import type { Key } from '../../src/model/key.ts'
import * as events from '../../src/telemetry/events.ts'
import * as finding from '../../src/telemetry/finding-events.ts'
import { hubAnswered } from '../../src/telemetry/hub-events.ts'
import { createLog } from '../../src/telemetry/log.ts'
import * as measured from '../../src/telemetry/measured.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { queueCounted } from '../../src/telemetry/queue-events.ts'
import * as service from '../../src/telemetry/service-events.ts'

function world() {
  const lines: Record<string, unknown>[] = []
  const metrics = new Metrics({ version: '1.2.3', processMetrics: false })
  const log = createLog({ level: 'trace', form: 'json', write: (line) => lines.push(JSON.parse(line)) })
  const value = async (series: string): Promise<number> => {
    const page = await metrics.page()
    const line = page.split('\n').find((one) => one.startsWith(`kojisync_${series} `))
    return line === undefined ? Number.NaN : Number(line.split(' ').at(-1))
  }
  return { telemetry: { log, metrics }, lines, value, metrics }
}

const BUILD: Key = { kind: 'build', buildId: 101 }

describe('metrics', () => {
  it('are all there from the start, at zero, for every label that is known', async () => {
    const { value, metrics } = world()
    for (const series of [
      'messages_total{topic="untag",outcome="refused"}',
      'messages_refused_total{reason="json"}',
      'keys_total{kind="external-repo",outcome="parked"}',
      'converge_seconds_count{kind="tagged"}',
      'lag_seconds_count',
      'queue_keys{state="parked",priority="live"}',
      'parked_keys{code="STORAGE_SOURCE_MISSING"}',
      'parked_keys{code="other"}',
      'queue_oldest_seconds',
      'queue_marks_total{priority="live"}',
      'queue_claims_total{priority="sweep"}',
      'queue_leases_expired_total',
      'queue_expectations_expired_total',
      'queue_expectations_dropped_total',
      'queue_parkings_total',
      'config_reloads_total{outcome="refused"}',
      'config_reload_refused',
      'hub_requests_total{method="multiCall",outcome="outage"}',
      'hub_requests_seconds_total{method="other",outcome="ok"}',
      'hub_failures_total{code="HUB_TIMEOUT"}',
      'hub_calls_total{method="other",outcome="fault"}',
      'copied_bytes_total{mode="in-place"}',
      'placement_builds{mode="farm",state="placed"}',
      'placement_bytes{mode="copy"}',
      'drift{kind="signatures"}',
      'missed_total{kind="tag"}',
      'catchup_cursor_timestamp_seconds{source="builds"}',
      'converge_last_attempt_timestamp_seconds',
      'reconcile_last_attempt_timestamp_seconds',
      'hub_request_seconds_count',
      'hub_bytes_total',
      'breaker_open{part="storage"}',
      'clashes{state="held"}',
      'catchup_last_success_timestamp_seconds',
      'catchup_cursor_event',
      'writing_stopped',
    ]) {
      expect([series, await value(series)]).toEqual([series, 0])
    }
    expect(await value(`build_info{version="1.2.3",node="${process.versions.node}"}`)).toBe(1)
    const page = await metrics.page()
    expect(page.split('\n').filter((line) => line !== '' && !/^(# |kojisync_)/.test(line))).toEqual([])
  })

  it('do not grow with what senders invent', async () => {
    const { telemetry, metrics } = world()
    for (let n = 0; n < 1000; n++) {
      events.messageHandled(telemetry, { topic: 'unknown', outcome: 'refused', reason: `field:${n}` })
    }
    const page = await metrics.page()
    const series = page.split('\n').filter((line) => line.startsWith('kojisync_messages_refused_total{'))
    expect(series.length).toBeLessThanOrEqual(201)
    expect(series.some((line) => /reason="other"\} [1-9]/.test(line))).toBe(true)
  })
})

describe('no label', () => {
  it('grows with builds, tags, packages, users, hosts, methods, codes or texts', async () => {
    const { telemetry, metrics } = world()
    const run = (n: number): void => {
      const name = `name-${n}`
      const keys: Key[] = [
        { kind: 'build', buildId: n },
        { kind: 'tag', tagId: n },
        { kind: 'package', tagId: n, packageId: n },
        { kind: 'tagged', tagId: n, packageId: n },
        { kind: 'target', targetId: n },
        { kind: 'external-repo', repoId: n },
        { kind: 'lookup', what: 'tag', names: [name] },
      ]
      const error = new KeyError(`CODE_${n}`, name)
      for (const key of keys) {
        const outcome = { kind: 'applied', rows: n } as const
        events.converged(telemetry, key, { outcome, elapsedMs: n, lagMs: n })
        events.converged(telemetry, key, {
          outcome: { kind: 'held', reason: name, rows: 0 },
          elapsedMs: n,
          lagMs: null,
        })
        events.keyFailed(telemetry, key, { error, attempts: n, parked: n % 2 === 0 })
        events.claimLost(telemetry, key)
        events.keyReturned(telemetry, key, new OutageError('hub', `CODE_${n}`, name))
        finding.driftFound(telemetry, {
          key,
          kind: 'tag',
          subject: name,
          tag: name,
          prod: null,
          staging: null,
          state: 'drift',
        })
        finding.scrubFailed(telemetry, key, error)
      }
      events.busConnectionChanged(telemetry, {
        endpoint: `tcp://${name}`,
        state: 'connected',
        connected: 1,
      })
      events.breakerOpened(telemetry, new OutageError('storage', `CODE_${n}`, name))
      const request = { outcome: 'outage', code: `CODE_${n}`, elapsedMs: 1, bytes: 1 } as const
      hubAnswered(telemetry, { ...request, methods: [`method${n}`, name], faults: [name] })
      const keysNow = { live: n, sweep: n }
      measured.queueMeasured(telemetry, {
        keys: {
          ready: keysNow,
          delayed: keysNow,
          relook: keysNow,
          waiting: keysNow,
          claimed: keysNow,
          parked: keysNow,
        },
        parked: { [`CODE_${n}`]: n },
        oldestSeconds: n,
      })
      const builds = { intent: n, placed: n, removing: n }
      measured.placementsMeasured(telemetry, [{ mode: name, builds, bytes: n }])
      measured.cursorsMeasured(telemetry, [{ source: name, timeMs: n }])
    }
    const series = async (): Promise<number> =>
      (await metrics.page()).split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
    const atStart = await series()
    run(1)
    expect(await series()).toBe(atStart)
    for (let n = 2; n < 60; n++) run(n)
    expect(await series()).toBe(atStart)
  })
})

describe('an event', () => {
  it('of a message counts it by topic and outcome, and a refused one by reason', async () => {
    const { telemetry, value, lines } = world()
    events.messageHandled(telemetry, { topic: 'tag', outcome: 'marked', reason: '' })
    events.messageHandled(telemetry, { topic: 'tag', outcome: 'refused', reason: 'json' })
    expect(await value('messages_total{topic="tag",outcome="marked"}')).toBe(1)
    expect(await value('messages_refused_total{reason="json"}')).toBe(1)
    expect(await value('bus_last_message_timestamp_seconds')).toBeGreaterThan(0)
    expect(lines.map(({ msg }) => msg)).toEqual(['message handled', 'message handled'])
  })

  it.each([
    [{ kind: 'applied', rows: 12 }, 'info', 12],
    [{ kind: 'unchanged' }, 'debug', 0],
    [{ kind: 'held', reason: 'NVR is local', rows: 2 }, 'warn', 2],
    [{ kind: 'wait', reason: 'build first', for: [] }, 'debug', 0],
  ] as const)('of a converged key %j counts it, times it and logs it', async (outcome, level, rows) => {
    const { telemetry, value, lines } = world()
    events.converged(telemetry, BUILD, { outcome, elapsedMs: 40, lagMs: 250 })
    expect(await value(`keys_total{kind="build",outcome="${outcome.kind}"}`)).toBe(1)
    expect(await value('converge_seconds_sum{kind="build"}')).toBeCloseTo(0.04)
    expect(await value('lag_seconds_sum')).toBeCloseTo(0.25)
    expect(await value('rows_written_total{kind="build"}')).toBe(rows)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ level, key: 'build/101', outcome: outcome.kind })
  })

  it('without a lag leaves the lag alone', async () => {
    const { telemetry, value } = world()
    events.converged(telemetry, BUILD, { outcome: { kind: 'unchanged' }, elapsedMs: 1, lagMs: null })
    expect(await value('lag_seconds_count')).toBe(0)
  })

  it('of a failed and of a parked key tells them apart', async () => {
    const { telemetry, value, lines } = world()
    const error = new KeyError('STORAGE_SOURCE_MISSING', 'no such directory')
    events.keyFailed(telemetry, BUILD, { error, attempts: 1, parked: false })
    events.keyFailed(telemetry, BUILD, { error, attempts: 9, parked: true })
    expect(await value('keys_total{kind="build",outcome="failed"}')).toBe(1)
    expect(await value('keys_total{kind="build",outcome="parked"}')).toBe(1)
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      ['warn', 'key failed'],
      ['error', 'key parked'],
    ])
  })

  it('of an outage opens the breaker and its end closes it', async () => {
    const { telemetry, value } = world()
    events.breakerOpened(telemetry, new OutageError('hub', 'HUB_DOWN', 'refused'))
    expect(await value('breaker_open{part="hub"}')).toBe(1)
    events.breakerClosed(telemetry, 'hub')
    expect(await value('breaker_open{part="hub"}')).toBe(0)
    expect(await value('outages_total{part="hub"}')).toBe(1)
  })

  it('of the hub, the queue and catch-up moves their numbers', async () => {
    const { telemetry, value } = world()
    telemetry.metrics.knowMethods(['getBuild', 'getTag'])
    const asked = { outcome: 'ok', code: null, elapsedMs: 20, bytes: 4096 } as const
    hubAnswered(telemetry, { ...asked, methods: ['getBuild', 'getTag', 'getTag'], faults: ['getTag'] })
    hubAnswered(telemetry, { ...asked, methods: ['getTag', 'getTag'], faults: [] })
    hubAnswered(telemetry, {
      ...asked,
      outcome: 'outage',
      code: 'HUB_TIMEOUT',
      methods: ['getBuild'],
      faults: [],
    })
    finding.catchUpStarted(telemetry)
    finding.catchUpFinished(telemetry, { cursor: 777, keys: 6, elapsedMs: 1 })
    expect(await value('hub_requests_total{method="multiCall",outcome="ok"}')).toBe(1)
    expect(await value('hub_requests_total{method="getTag",outcome="ok"}')).toBe(1)
    expect(await value('hub_requests_total{method="getBuild",outcome="outage"}')).toBe(1)
    expect(await value('hub_requests_seconds_total{method="getBuild",outcome="outage"}')).toBeCloseTo(0.02)
    expect(await value('hub_failures_total{code="HUB_TIMEOUT"}')).toBe(1)
    expect(await value('hub_calls_total{method="getTag",outcome="ok"}')).toBe(3)
    expect(await value('hub_calls_total{method="getTag",outcome="fault"}')).toBe(1)
    expect(await value('hub_calls_total{method="getBuild",outcome="failed"}')).toBe(1)
    expect(await value('hub_bytes_total')).toBe(3 * 4096)
    expect(await value('catchup_cursor_event')).toBe(777)
    expect(await value('catchup_last_success_timestamp_seconds')).toBeGreaterThan(0)
  })

  it('of what the database tells sets every number, so that what is gone is zero again', async () => {
    const { telemetry, value } = world()
    const none = { live: 0, sweep: 0 }
    const empty = { ready: none, delayed: none, relook: none, waiting: none, claimed: none, parked: none }
    const ready = { live: 3, sweep: 4 }
    const parked = { STORAGE_SOURCE_MISSING: 2, AN_OLD_CODE: 1, ANOTHER_OLD_CODE: 1 }
    measured.queueMeasured(telemetry, { keys: { ...empty, ready }, parked, oldestSeconds: 1.5 })
    measured.clashesMeasured(telemetry, new Map([['held', 2]]))
    const found = { tags: 1, builds: 2, differences: { drift: 3, queued: 0, parked: 0, held: 0 } }
    measured.reconcileMeasured(telemetry, { atMs: 5000, found: { ...found, missed: { tag: 3 } } })
    measured.cursorsMeasured(telemetry, [{ source: 'history', timeMs: 7000 }])
    const builds = { intent: 1, placed: 2, removing: 0 }
    measured.placementsMeasured(telemetry, [{ mode: 'copy', builds, bytes: 1024 }])
    measured.bytesCopied(telemetry, 'copy', 99)
    const first: Record<string, number> = {
      'queue_keys{state="ready",priority="sweep"}': 4,
      queue_oldest_seconds: 1.5,
      'parked_keys{code="STORAGE_SOURCE_MISSING"}': 2,
      'parked_keys{code="other"}': 2,
      'clashes{state="held"}': 2,
      'drift{kind="tag"}': 3,
      reconcile_last_success_timestamp_seconds: 5,
      'catchup_cursor_timestamp_seconds{source="history"}': 7,
      'placement_builds{mode="copy",state="placed"}': 2,
      'placement_bytes{mode="copy"}': 1024,
      'copied_bytes_total{mode="copy"}': 99,
    }
    for (const [series, wanted] of Object.entries(first))
      expect([series, await value(series)]).toEqual([series, wanted])

    measured.queueMeasured(telemetry, { keys: empty, parked: {}, oldestSeconds: 0 })
    measured.clashesMeasured(telemetry, new Map())
    measured.reconcileMeasured(telemetry, { atMs: 9000, found: { ...found, missed: {} } })
    measured.placementsMeasured(telemetry, [])
    for (const series of Object.keys(first).filter((one) => !/copied|reconcile|cursor/.test(one)))
      expect([series, await value(series)]).toEqual([series, 0])
  })

  it('of a queue that has counted more adds what is new', async () => {
    const { telemetry, value } = world()
    const counted = (by: number) => ({
      leasesExpired: by,
      expectationsExpired: 2 * by,
      expectationsDropped: 3 * by,
      parkings: 4 * by,
    })
    queueCounted(telemetry, counted(1), counted(0))
    queueCounted(telemetry, counted(5), counted(1))
    for (const [series, wanted] of Object.entries({
      queue_leases_expired_total: 5,
      queue_expectations_expired_total: 10,
      queue_expectations_dropped_total: 15,
      queue_parkings_total: 20,
    }))
      expect([series, await value(series)]).toEqual([series, wanted])
  })

  it('that stops all writing is an error and a metric', async () => {
    const { telemetry, value, lines } = world()
    service.safetyStopped(telemetry, new SafetyError('HUB_WRONG', 'another hub'))
    expect(await value('writing_stopped')).toBe(1)
    expect(lines[0]).toMatchObject({ level: 'error', err: { code: 'HUB_WRONG' } })
  })

  it('of the start logs the configuration once and each caution', () => {
    const { telemetry, lines } = world()
    service.serviceStarted(telemetry, { version: '1', config: { a: 1 }, cautions: ['no bus'] })
    expect(lines.map(({ level }) => level)).toEqual(['info', 'warn'])
    expect(lines[0]).toMatchObject({ config: { a: 1 } })
  })
})
