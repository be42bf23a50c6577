import { LocalRows } from './local-actions.ts'
import type { Build } from './mortal.ts'
import { makePlan } from './plan.ts'
import { type ChaosResult, chaosWorld, runIn } from './run.ts'
import { judge, judgeBriefly } from './verdict.ts'

export interface GroupResult extends ChaosResult {
  /** of the plan that failed, or the last */
  readonly seed: number
}

/** So many plans are judged together. */
const JUDGED = 10

/**
 * Plans of consecutive seeds one after the other in one pair of Kojis, every tenth one judged, the last one wholly: databases,
 * connections and comparing cost more than a short plan does. Settings are the first one's. Ends at the first that fails.
 */
export async function runTogether(
  first: number,
  count: number,
  length: number,
  build?: Build,
): Promise<GroupResult> {
  const settings = makePlan(first, 0)
  const world = await chaosWorld(settings)
  try {
    let seconds = 0
    let rows = new LocalRows()
    for (let seed = first; ; seed += 1) {
      const { builds, onClash, placement } = settings
      const plan = { ...makePlan(seed, length), builds, onClash, placement }
      const isLast = seed === first + count - 1
      const isJudged = isLast || (seed - first) % JUDGED === JUDGED - 1
      const verdict = isLast ? judge : isJudged ? judgeBriefly : notYet
      const result = await runIn(world, plan, verdict, { rows, build })
      seconds += result.seconds
      if (isLast || result.complaints.length > 0) return { ...result, seconds, seed }
      // A verdict takes away what staging's people made.
      if (isJudged) rows = new LocalRows()
    }
  } finally {
    await world.close()
  }
}

const notYet = async (): Promise<string[]> => []
