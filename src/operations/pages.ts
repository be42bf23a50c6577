import { hostname } from 'node:os'
import { SyncError } from '../errors.ts'
import { verdictOf } from '../model/verdict.ts'
import type { StorageCheck } from '../storage/check.ts'
import type { PageData, ReadyCheck } from '../telemetry/page/data.ts'
import { renderPage } from '../telemetry/page/page.ts'
import type { Measures } from './measures.ts'
import { readStatus } from './status.ts'
import type { Engine, World } from './world.ts'

/** However many look at it, the database is asked once in this time. */
const FRESH_MS = 2_000

/** What /, /status.json and /readyz answer. */
export interface Pages {
  page(): Promise<string>
  status(): Promise<string>
  ready(): Promise<readonly ReadyCheck[]>
}

/** The pages of a running daemon; what cannot be read is shown as such, never a reason for no page. `storage`: as at the start. */
export function createPages(
  world: World,
  engine: Engine,
  measures: Measures,
  storage: readonly StorageCheck[],
): Pages {
  // It stops no work, but who looks here must not take silence for a proof.
  const mount = storage
    .filter(({ name }) => name === 'prod mount')
    .map(
      ({ name, text, hint }): ReadyCheck => ({
        name,
        ok: true,
        reason: hint === '' ? text : `${text}; ${hint}`,
      }),
    )
  let known: { readonly atMs: number; readonly data: Promise<PageData> } | null = null
  const data = (): Promise<PageData> => {
    const atMs = performance.now()
    if (known === null || atMs - known.atMs > FRESH_MS)
      known = { atMs, data: collect(world, engine, measures, mount) }
    return known.data
  }
  return {
    page: async () => renderPage(await data()),
    status: async () => `${JSON.stringify(await data(), null, 2)}\n`,
    ready: async () => (await data()).ready,
  }
}

async function collect(
  world: World,
  engine: Engine,
  measures: Measures,
  mount: readonly ReadyCheck[],
): Promise<PageData> {
  const { config, telemetry } = world
  await orNull(measures.record())
  const { placements } = measures
  const status = await orNull(readStatus(world, placements === undefined ? {} : { placements }))
  const ready = [...(await readyChecks(world, engine, status !== null)), ...mount]
  const failed = ready.filter(({ ok }) => !ok)
  return {
    verdict: verdictOf(
      status,
      failed.map(({ name, reason }) => `${name}: ${reason}`),
    ),
    version: telemetry.metrics.version,
    host: hostname(),
    nowMs: Date.now(),
    startedMs: telemetry.recent?.startedMs ?? Date.now(),
    prodHub: config.prod.hub,
    own: telemetry.recent?.activity() ?? { minutes: [], things: [] },
    ready,
    status,
  }
}

async function readyChecks(world: World, engine: Engine, reached: boolean): Promise<ReadyCheck[]> {
  const { health, telemetry, config } = world
  const { metrics } = telemetry
  const state = health.state()
  const parts = engine.breakers.map((breaker): ReadyCheck => {
    const { part, openForMs, lastCode } = breaker.state()
    const down = openForMs > 0
    const reason = down ? `down for ${Math.round(openForMs / 1000)} s (${lastCode ?? 'OUTAGE'})` : 'up'
    if (part !== 'database') return { name: part, ok: !down, reason }
    return { name: part, ok: !down && reached, reason: reached || down ? reason : 'does not answer' }
  })
  const endpoints = config.bus.fedmsg.endpoints.length
  const connected = await gaugeValue(metrics.busConnected)
  const caughtUp = await gaugeValue(metrics.catchUpLastSuccess)
  const stopped = await gaugeValue(metrics.writingStopped)
  return [
    { name: 'progress', ok: state.ok, reason: state.ok ? 'every loop turns' : state.reasons.join('; ') },
    {
      name: 'writing',
      ok: stopped === 0,
      reason: stopped === 0 ? 'allowed' : 'stopped for safety: see the log',
    },
    ...parts,
    {
      name: 'bus',
      ok: endpoints === 0 || connected > 0,
      reason:
        endpoints === 0
          ? 'none configured: changes are found by catch-up'
          : `${connected} of ${endpoints} endpoints connected`,
    },
    {
      name: 'catch-up',
      ok: caughtUp > 0,
      reason:
        caughtUp > 0
          ? `last ended well ${Math.round(Date.now() / 1000 - caughtUp)} s ago`
          : 'has not ended well since the start',
    },
  ]
}

/** Of a gauge without labels. */
async function gaugeValue(gauge: {
  get(): Promise<{ values: readonly { value: number }[] }>
}): Promise<number> {
  return (await gauge.get()).values[0]?.value ?? 0
}

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work
  } catch (error) {
    if (error instanceof SyncError) return null
    throw error
  }
}
