import { SafetyError } from '../errors.ts'
import type { SeedNews, SeedOptions } from '../model/seed.ts'
import type { Session } from '../seed/session.ts'
import { rollBack, swapIn } from '../seed/swap.ts'
import { DAEMON_GONE_SECONDS, listDaemons } from '../staging/daemons.ts'
import { countLocalWork, describeLocal, refuseLocalWork } from './seed-local.ts'
import { readReplaced } from './seed-replaced.ts'
import type { SeedTools, World } from './world.ts'

/** The swap, or its way back. Daemons must be stopped: what they know of staging is of the other database. */
export async function runExchange(
  world: World,
  tools: SeedTools,
  admin: Session,
  { rollback, leaveLocal }: SeedOptions,
  tell: (news: SeedNews) => void,
): Promise<void> {
  const replaced = await readReplaced(world)
  const { database, isInitialised } = replaced
  const local = await countLocalWork(await world.database(), replaced)
  if (!leaveLocal) refuseLocalWork(local)
  else if (Object.keys(local).length > 0) tell({ kind: 'note', text: `left behind: ${describeLocal(local)}` })
  if (isInitialised) {
    const daemons = (await listDaemons(await world.database())).filter(
      ({ seenSeconds }) => seenSeconds < DAEMON_GONE_SECONDS,
    )
    if (daemons.length > 0) {
      const where = daemons.map(({ host, pid }) => `${host} (pid ${pid})`).join(', ')
      throw new SafetyError(
        'SEED_DAEMON_RUNS',
        `stop the daemon first, and start it after the swap: ${where}`,
      )
    }
  }
  const helper = await tools.open(world.config.seed.maintenanceDatabase)
  try {
    const what = { admin, helper, openIn: (name: string) => tools.open(name), database }
    const report = await (rollback ? rollBack(what) : swapIn(what))
    tell({ kind: 'swapped', ...report })
  } finally {
    await helper.close()
  }
}
