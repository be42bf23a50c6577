import { makePlan, type Plan } from './plan.ts'
import { runChaos } from './run.ts'

/** A prefix is tried so often: the same actions meet the daemon at other moments. */
const TRIES = 3

/** The shortest prefix of its actions that still fails, by bisection; null when not even all of them fail again. */
export async function shrink(plan: Plan): Promise<{ length: number; complaints: readonly string[] } | null> {
  let best: { length: number; complaints: readonly string[] } | null = null
  let [works, fails] = [-1, plan.actions.length]
  const fail = async (length: number): Promise<readonly string[] | null> => {
    for (let time = 0; time < TRIES; time += 1) {
      const { complaints } = await runChaos(makePrefix(plan, length)).catch((error: unknown) => ({
        complaints: [String(error)],
      }))
      if (complaints.length > 0) return complaints
    }
    return null
  }
  const whole = await fail(fails)
  if (whole === null) return null
  best = { length: fails, complaints: whole }
  while (fails - works > 1) {
    const middle = Math.floor((works + fails) / 2)
    const complaints = await fail(middle)
    if (complaints === null) works = middle
    else {
      fails = middle
      best = { length: middle, complaints }
    }
  }
  return best
}

function makePrefix(plan: Plan, length: number): Plan {
  return makePlan(plan.seed, length)
}
