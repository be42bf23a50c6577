import { SOURCES } from '../catchup/catch-up.ts'
import { goBack } from '../catchup/restored.ts'
import type { CatchUpNews, CatchUpOptions } from '../model/operations.ts'
import { patiently } from '../reconcile/patience.ts'
import { type Daemon, leaveDaemons, listDaemons } from '../staging/daemons.ts'
import { Crew } from './crew.ts'
import { News } from './news.ts'
import { refuseUnsafeStorage } from './run.ts'
import { startWork } from './start-work.ts'
import type { World } from './world.ts'

/**
 * Looks for what no message told, now, and sees it through: by working on the queue itself, or where a daemon runs by waiting for
 * that. Safe beside daemons, and beside itself.
 */
export async function* runCatchUp(
  world: World,
  daemon: Daemon,
  options: CatchUpOptions,
  signal: AbortSignal,
): AsyncGenerator<CatchUpNews> {
  const engine = await world.engine()
  const { database, catchUp } = engine
  await refuseUnsafeStorage(world)
  if (options.prodRestored === true) {
    const read = { priority: 'sweep', signal } as const
    const since = typeof options.since === 'number' ? options.since : null
    await goBack(database, async (call) => (await world.hub().read([call], read))[0], since)
  }
  const since = options.prodRestored === true ? undefined : options.since
  const daemons = (await listDaemons(database)).length > 0
  await startWork(engine, daemon, daemons)
  try {
    const crew = new Crew(engine, daemon, signal, daemons, { what: 'catch-up' })
    try {
      const news = new News<CatchUpNews>()
      const done = news.until(async () => {
        let sources = 0
        const report = await patiently(signal, (progressed) =>
          catchUp.run(signal, {
            ...(since === undefined ? {} : { since }),
            onTurn: progressed,
            onMarked: (keys) => crew.follow(keys),
            onProgress: ({ source, rows, keys }) => {
              sources = Math.max(sources, SOURCES.indexOf(source) + 1)
              news.tell({ kind: 'finding', source, done: sources, of: SOURCES.length, rows, keys })
            },
          }),
        )
        await crew.finish((left) => news.tell({ kind: 'converging', left, keys: report.keys }))
        return report
      })
      yield* news.read()
      const { cursor, rows, keys } = await done
      yield { kind: 'end', report: { cursor, rows, keys, daemons, ...(await crew.ends()) } }
    } finally {
      await crew.stop()
    }
  } finally {
    await leaveDaemons(database, daemon.id).catch(() => {})
  }
}
