import { describe, expect, it } from 'vitest'
import { KeyError, OutageError, SafetyError } from '../../src/errors.ts'
import type { Key } from '../../src/model/key.ts'
import * as events from '../../src/telemetry/events.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'

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
      'queue_keys{state="parked"}',
      'queue_oldest_seconds',
      'hub_requests_total{outcome="outage"}',
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
    events.hubAnswered(telemetry, { outcome: 'ok', calls: 5, elapsedMs: 20, bytes: 4096 })
    const ready = { live: 3, sweep: 4 }
    events.queueMeasured(telemetry, { ready, waiting: 1, claimed: 2, parked: 5, oldestSeconds: 1.5 })
    events.catchUpStarted(telemetry)
    events.catchUpFinished(telemetry, { cursor: 777, keys: 6, elapsedMs: 1 })
    expect(await value('hub_calls_total')).toBe(5)
    expect(await value('hub_bytes_total')).toBe(4096)
    expect(await value('queue_keys{state="sweep"}')).toBe(4)
    expect(await value('queue_oldest_seconds')).toBe(1.5)
    expect(await value('catchup_cursor_event')).toBe(777)
    expect(await value('catchup_last_success_timestamp_seconds')).toBeGreaterThan(0)
  })

  it('that stops all writing is an error and a metric', async () => {
    const { telemetry, value, lines } = world()
    events.safetyStopped(telemetry, new SafetyError('HUB_WRONG', 'another hub'))
    expect(await value('writing_stopped')).toBe(1)
    expect(lines[0]).toMatchObject({ level: 'error', err: { code: 'HUB_WRONG' } })
  })

  it('of the start logs the configuration once and each caution', () => {
    const { telemetry, lines } = world()
    events.serviceStarted(telemetry, { version: '1', config: { a: 1 }, cautions: ['no bus'] })
    expect(lines.map(({ level }) => level)).toEqual(['info', 'warn'])
    expect(lines[0]).toMatchObject({ config: { a: 1 } })
  })
})
