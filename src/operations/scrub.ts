import type { Drift } from '../model/drift.ts'
import type { ScrubNews, ScrubOptions } from '../model/scrub.ts'
import { countOwnedBuilds } from '../reconcile/scrub-position.ts'
import { type Daemon, leaveDaemons, listDaemons } from '../staging/daemons.ts'
import { scrubLooked } from '../telemetry/finding-events.ts'
import { Crew } from './crew.ts'
import { refuseUnsafeStorage } from './run.ts'
import { LIVE_MS, type Rolled, roll, SCRUB_BATCH, settle } from './scrub-roll.ts'
import { startWork } from './start-work.ts'
import type { World } from './world.ts'

/**
 * Looks at builds whole, marks what differs and sees it through: by working on the queue itself, or where a daemon runs by waiting for
 * that. With tags only their builds, beside the rolling pass; else on from where that is, which a daemon gives up for as long.
 */
export async function* runScrub(
  world: World,
  daemon: Daemon,
  options: ScrubOptions,
  signal: AbortSignal,
): AsyncGenerator<ScrubNews> {
  const engine = await world.engine()
  const { database } = engine
  const tagged = options.tags.length > 0 ? await engine.scrub.inTags(options.tags) : null
  const others = (await listDaemons(database)).length > 0
  const confirmMs = others ? LIVE_MS : 0
  await refuseUnsafeStorage(world)
  const differences: Record<Drift['state'], number> = { drift: 0, queued: 0, parked: 0, held: 0 }
  let [builds, failed] = [0, 0]
  await startWork(engine, daemon, others)
  try {
    const crew = new Crew(engine, daemon, signal, others, { what: 'scrub' })
    const { telemetry, config } = world
    const mark: Parameters<typeof settle>[2] = (keys) => crew.mark(keys)
    try {
      const total = tagged?.length ?? (await countOwnedBuilds(database, engine.owner.seedEvent))
      const rolling: Parameters<typeof roll>[0] = {
        engine,
        telemetry,
        who: daemon,
        what: 'command',
        ...config.scrub,
        once: options.once,
        confirmMs,
        mark,
        onTurn: () => {},
      }
      const looks =
        tagged === null ? roll(rolling, signal) : lookAtAll(world, tagged, { confirmMs, mark }, signal)
      for await (const { drifts, failed: some, looked } of looks) {
        crew.check()
        builds += looked
        failed += some
        for (const drift of drifts) {
          differences[drift.state] += 1
          yield { kind: 'difference', drift }
        }
        yield { kind: 'progress', done: builds, total: Math.max(total, builds) }
      }
      await crew.finish()
    } finally {
      await crew.stop()
    }
    yield { kind: 'end', report: { builds, failed, differences, ...(await crew.ends()) } }
  } finally {
    await leaveDaemons(database, daemon.id).catch(() => {})
  }
}

async function* lookAtAll(
  world: World,
  ids: readonly number[],
  options: { readonly confirmMs: number; readonly mark: Parameters<typeof settle>[2] },
  signal: AbortSignal,
): AsyncGenerator<Rolled> {
  const { scrub } = await world.engine()
  for (let at = 0; at < ids.length && !signal.aborted; at += SCRUB_BATCH) {
    const some = ids.slice(at, at + SCRUB_BATCH)
    const scrubbed = await scrub.look(some, options.confirmMs, signal)
    await settle(world.telemetry, scrubbed, options.mark)
    scrubLooked(world.telemetry, { builds: some.length, done: at + some.length, total: ids.length })
    yield { drifts: scrubbed.drifts, failed: scrubbed.failures.length, looked: some.length }
  }
}
