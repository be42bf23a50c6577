import { setTimeout as delay } from 'node:timers/promises'
import type { Drift } from '../model/drift.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Scrubbed } from '../reconcile/scrub.ts'
import { paceOf } from '../reconcile/scrub-pace.ts'
import {
  advance,
  beginPass,
  countOwnedBuilds,
  giveTurn,
  holdTurn,
  type Position,
  readPosition,
  recount,
  type ScrubberKind,
} from '../reconcile/scrub-position.ts'
import type { Daemon } from '../staging/daemons.ts'
import type { Telemetry } from '../telemetry/events.ts'
import {
  scrubFailed,
  scrubFound,
  scrubLooked,
  scrubPaced,
  scrubPassEnded,
} from '../telemetry/finding-events.ts'
import type { Engine } from './world.ts'

/** A daemon may take so long for a change that a message just told of: before that it is no drift. */
export const LIVE_MS = 2_000
/** Builds that are looked at side by side. */
export const SCRUB_BATCH = 10
/** A batch takes what falls due in so many seconds, up to its size. */
const BATCH_SECONDS = 10
/** The turn is kept so often; and the table looked at, where there is nothing to do. */
const KEEP_MS = 15_000
const COUNT_MS = 3_600_000
/** At the start of a daemon there is more urgent work. */
const FIRST_MS = 60_000

export interface RollOptions {
  readonly engine: Engine
  readonly telemetry: Telemetry
  readonly who: Daemon
  readonly what: ScrubberKind
  readonly days: number
  readonly buildsPerSecond: number
  /** every build once, without pauses, from where the pass is, around, to there; false: without end, at the planned rate */
  readonly once: boolean
  /** as in `lookTwice` */
  readonly confirmMs: number
  readonly mark: (keys: readonly Key[]) => Promise<void>
  readonly onTurn: () => void
}

/** Some builds were looked at. */
export interface Rolled {
  readonly drifts: readonly Drift[]
  readonly failed: number
  readonly looked: number
}

/**
 * Goes on with the rolling pass over all builds: looks, marks what differs, then moves the position, so that a crash between looks
 * again. Throws SyncError SCRUB_RUNS for a command beside another one, OutageError, StopError.
 */
export async function* roll(options: RollOptions, signal: AbortSignal): AsyncGenerator<Rolled> {
  const { engine, telemetry, who, what, once } = options
  const { database, scrub } = engine
  const count = (): Promise<number> => countOwnedBuilds(database, engine.owner.seedEvent)
  let counted = Number.NEGATIVE_INFINITY
  let begun: number | null = null
  let wrapped = false
  let rested = false
  let told: ReturnType<typeof paceOf> | null = null
  try {
    while (!signal.aborted) {
      options.onTurn()
      if (!(await holdTurn(database, who, what, count))) {
        await pause(KEEP_MS, signal)
        continue
      }
      if (performance.now() - counted > COUNT_MS) {
        await recount(database, who.id, await count())
        counted = performance.now()
      }
      const position = await readPosition(database)
      begun ??= position.afterBuild
      const pace = paceFor(options, position)
      if (!once && isNews(told, pace)) {
        scrubPaced(telemetry, { ...pace, days: options.days, builds: position.builds, done: position.done })
        told = pace
      }
      const size = once
        ? SCRUB_BATCH
        : Math.max(1, Math.min(SCRUB_BATCH, Math.round(pace.perSecond * BATCH_SECONDS)))
      const dueMs = (size / pace.perSecond) * 1000
      if (!once && !rested) {
        rested = true
        await rest(Math.min(FIRST_MS, dueMs), options, signal)
        continue
      }
      const next = await scrub.next(position.afterBuild, size)
      const ids = wrapped && once ? next.filter((id) => id <= (begun ?? 0)) : next
      const last = ids.at(-1)
      if (last === undefined) {
        if (next.length === 0 && position.done > 0) {
          scrubPassEnded(telemetry, { pass: position.pass, builds: position.done })
          await beginPass(database, who.id, await count())
        }
        if (once && (wrapped || next.length > 0 || begun === 0)) return
        wrapped = true
        if (position.done === 0 && !once) await pause(KEEP_MS, signal)
        continue
      }
      const scrubbed = await scrub.look(ids, options.confirmMs, signal)
      const missed = await settle(telemetry, scrubbed, options.mark)
      await advance(database, who.id, { to: last, builds: ids.length, missed })
      scrubLooked(telemetry, { builds: ids.length, done: position.done + ids.length, total: position.builds })
      yield { drifts: scrubbed.drifts, failed: scrubbed.failures.length, looked: ids.length }
      if (!once) await rest((ids.length / pace.perSecond) * 1000, options, signal)
    }
  } finally {
    await giveTurn(database, who.id).catch(() => {})
  }
}

/** Marks what differs, and what could not be read: its own key tells why. Returns how many were drift, by kind. */
export async function settle(
  telemetry: Telemetry,
  { drifts, failures }: Scrubbed,
  mark: (keys: readonly Key[]) => Promise<void>,
): Promise<Record<string, number>> {
  const missed: Record<string, number> = {}
  for (const drift of drifts) {
    if (drift.state !== 'drift') continue
    missed[drift.kind] = (missed[drift.kind] ?? 0) + 1
    scrubFound(telemetry, drift)
  }
  for (const { key, error } of failures) scrubFailed(telemetry, key, error)
  // A key that is queued is seen to already, and a mark would start a parked one anew.
  const fresh = drifts.filter(({ state }) => state === 'drift' || state === 'held')
  const keys = new Map([...fresh, ...failures].map(({ key }) => [formatKey(key), key]))
  if (keys.size > 0) await mark([...keys.values()])
  return missed
}

function paceFor({ days, buildsPerSecond }: RollOptions, position: Position): ReturnType<typeof paceOf> {
  // A command goes on where the daemon's pass is off.
  return paceOf(position, { days: days === 0 ? 1 : days, maxPerSecond: buildsPerSecond })
}

/** Told when it began, when it changed by a quarter, and when it became too slow. */
function isNews(told: ReturnType<typeof paceOf> | null, pace: ReturnType<typeof paceOf>): boolean {
  if (told === null || told.inTime !== pace.inTime) return true
  const ratio = pace.perSecond / told.perSecond
  return ratio > 1.25 || ratio < 0.8
}

/** Until the next builds are due; the turn is kept meanwhile, and given up when somebody took it. */
async function rest(ms: number, options: RollOptions, signal: AbortSignal): Promise<void> {
  const until = performance.now() + ms
  for (;;) {
    options.onTurn()
    const left = until - performance.now()
    if (left <= 0 || signal.aborted) return
    await pause(Math.min(left, KEEP_MS), signal)
    if (
      left > KEEP_MS &&
      !(await holdTurn(options.engine.database, options.who, options.what, async () => 0))
    )
      return
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {})
}
