import type { SeedNews, SeedOptions } from '../model/seed.ts'
import { markChangedSignatures } from '../seed/changed-signatures.ts'
import { readPlannedFiles } from '../seed/planned-files.ts'
import type { Session } from '../seed/session.ts'
import { refuseUnendable } from '../seed/sessions.ts'
import { findNext, rollBack, swapIn } from '../seed/swap.ts'
import { prepareCarry, refuseRest, rehearse, tellCarried } from './seed-carry.ts'
import { readReplaced } from './seed-replaced.ts'
import type { SeedTools, World } from './world.ts'

/**
 * The swap, or its way back; with `plan` only what it would do with staging's own work. Daemons go on: they meet the other database and
 * follow prod from where that stands.
 */
export async function runExchange(
  world: World,
  tools: SeedTools,
  admin: Session,
  options: SeedOptions,
  tell: (news: SeedNews) => void,
): Promise<void> {
  const { rollback, leaveLocal, plan } = options
  const replaced = await readReplaced(world)
  const { database, isKoji } = replaced
  const next = await findNext(admin, database, rollback)
  const helper = await tools.open(world.config.seed.maintenanceDatabase)
  const sessions = [helper]
  try {
    // Found out when staging stands still, it would have stood still for nothing.
    if (!plan) await refuseUnendable(helper, [database, next])
    const running = await tools.open(database)
    const upper = await tools.open(next)
    sessions.push(running, upper)
    const carry = isKoji && !leaveLocal ? await prepareCarry(world, running, upper) : null
    await rehearse(world, { carry, to: upper }, replaced, options, tell)
    if (plan) {
      tell({ kind: 'files', ...(await readPlannedFiles(upper)) })
      return
    }
    const what = {
      admin,
      helper,
      openIn: (name: string) => tools.open(name),
      running,
      next: upper,
      database,
      carry: async (): Promise<void> => {
        if (carry === null) return
        const startedMs = performance.now()
        const report = await carry()
        // What people did since the rehearsal counts, too.
        refuseRest(report.left, options)
        tellCarried(report, false, startedMs, tell)
      },
    }
    const report = await (rollback ? rollBack(what) : swapIn(what))
    tell({ kind: 'swapped', ...report })
    if (isKoji) await markChanged(tools, report.kept, database, tell)
  } finally {
    for (const session of sessions) await session.close()
  }
}

async function markChanged(
  tools: SeedTools,
  kept: string,
  live: string,
  tell: (news: SeedNews) => void,
): Promise<void> {
  const before = await tools.open(kept)
  const after = await tools.open(live)
  try {
    tell({ kind: 'marked', builds: await markChangedSignatures(before, after) })
  } finally {
    await before.close()
    await after.close()
  }
}
