import { SafetyError } from '../errors.ts'
import { compilePatterns } from '../model/pattern.ts'
import type { LeftBehind, SeedNews, SeedOptions } from '../model/seed.ts'
import { carryOver } from '../seed/carry/carry.ts'
import { Ground } from '../seed/carry/ground.ts'
import type { CarryReport } from '../seed/carry/report.ts'
import { readSide } from '../seed/carry/sides.ts'
import type { Session } from '../seed/session.ts'
import { findSeedEvent } from './prod-facts.ts'
import { countLocalWork, describeLocal } from './seed-local.ts'
import type { Replaced } from './seed-replaced.ts'
import type { World } from './world.ts'

type Tell = (news: SeedNews) => void

/** Carries staging's own work from a database into another one, in the transaction of the caller's; may be run again. */
export type Carry = () => Promise<CarryReport>

/** Null: one of them was never prepared by `init` or `seed`, so nothing can come over. */
export async function prepareCarry(world: World, from: Session, to: Session): Promise<Carry | null> {
  const { config } = world
  const floor = config.staging.idFloor
  const other = await readSide(to, floor, async () => null)
  if (!other.isOurs) return null
  const side = await readSide(from, floor, () => findSeedEvent(world.hub(), from))
  const ground = await Ground.open(from, to)
  const isLeftOut = compilePatterns(config.seed.leftOut)
  const { conflicts } = config
  const carry: Carry = () => carryOver({ ground, side, userId: other.userId, conflicts, isLeftOut })
  await ground.makeTables(carry)
  return carry
}

/**
 * What a swap would carry over, by doing it and taking it back: nothing is changed. Throws SafetyError SEED_LOCAL_WORK when something
 * cannot be carried that nobody said may be left.
 */
export async function rehearse(
  world: World,
  { carry, to }: { readonly carry: Carry | null; readonly to: Session },
  replaced: Replaced,
  options: SeedOptions,
  tell: Tell,
): Promise<void> {
  if (!replaced.isKoji) return
  if (carry === null || options.leaveLocal) {
    const local = await countLocalWork(await world.database(), replaced)
    const named = describeLocal(local)
    if (named === '') return
    if (!options.leaveLocal) {
      throw new SafetyError(
        'SEED_LOCAL_WORK',
        `staging made ${named} of its own, which cannot be carried into a database that init has not prepared (--leave-local leaves them behind)`,
        { detail: { local } },
      )
    }
    tell({ kind: 'note', text: `stays behind in the database that is kept: ${named}` })
    return
  }
  const startedMs = performance.now()
  const taken = await tryOut(to, carry)
  tellCarried(taken, true, startedMs, tell)
  const known = new Set(taken.left.flatMap(({ keys }) => keys))
  const unknown = options.leave.filter((key) => !known.has(key))
  if (unknown.length > 0)
    tell({ kind: 'note', text: `--leave ${unknown.join(', ')}: nothing of that name would be left behind` })
  if (!options.plan) refuseRest(taken.left, options)
}

export function tellCarried(report: CarryReport, isPlan: boolean, startedMs: number, tell: Tell): void {
  const { carried, left } = report
  tell({ kind: 'carried', isPlan, carried, left, elapsedMs: performance.now() - startedMs })
}

/** So many fit into a message. */
const MAX_NAMED = 100

/** Throws SafetyError SEED_LOCAL_WORK. */
export function refuseRest(left: readonly LeftBehind[], { leaveRest, leave }: SeedOptions): void {
  const open = left.filter(({ decided, keys }) => !decided && !keys.some((key) => leave.includes(key)))
  if (open.length === 0 || leaveRest) return
  const named = open
    .slice(0, MAX_NAMED)
    .map(({ what, why, keys }) => `${what} (${why}; --leave ${keys[0]})`)
    .join('; ')
  const rest = open.length - MAX_NAMED
  const more = rest > 0 ? `; and ${rest} more (all of them: seed --plan, for programs with --json)` : ''
  throw new SafetyError(
    'SEED_LOCAL_WORK',
    `staging made what cannot be carried over: ${named}${more} (--leave KEY leaves one behind in the database that is kept, --leave-rest all)`,
    { detail: { left: open } },
  )
}

class TakenBack extends Error {}

/** Runs `work` in a transaction that is rolled back. */
async function tryOut<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const results: T[] = []
  try {
    await session.transaction('seed.plan', async () => {
      results.push(await work())
      throw new TakenBack()
    })
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error
  }
  return results[0] as T
}
