import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { LocalRows } from './local-actions.ts'
import { Chaos } from './one-run.ts'
import type { Plan } from './plan.ts'
import { judge } from './verdict.ts'

/** Rules that the world's configuration has no line for. */
const CONFIG = `
[scrub]
days = 0
builds_per_second = 1000
[prod.volumes]
DEFAULT = "prod"
archive = "prod-archive"
`
export interface ChaosResult {
  /** Empty: the promises hold. */
  readonly complaints: readonly string[]
  /** What happened, a line each, for who looks into a failure. */
  readonly story: readonly string[]
  readonly seconds: number
}

/** A fresh pair of Kojis for plans with these settings. */
export function chaosWorld({ builds, onClash }: Plan): Promise<E2eWorld> {
  return e2eWorld({ config: `${CONFIG}[scope]\nbuilds = "${builds}"\n[conflicts]\nbuild = "${onClash}"\n` })
}

/** Does all of a plan to a fresh pair of Kojis, lets everything come to rest, and judges. */
export async function runChaos(plan: Plan): Promise<ChaosResult> {
  const world = await chaosWorld(plan)
  try {
    return await runIn(world, plan, judge)
  } finally {
    await world.close()
  }
}

/** The same in Kojis that other plans have left; `verdict` may leave out what costs much. */
export async function runIn(
  world: E2eWorld,
  plan: Plan,
  verdict: typeof judge,
  rows = new LocalRows(),
): Promise<ChaosResult> {
  const startedMs = performance.now()
  const chaos = new Chaos(world, plan, rows)
  const result = (complaints: readonly string[]): ChaosResult => ({
    complaints,
    story: chaos.story,
    seconds: (performance.now() - startedMs) / 1000,
  })
  try {
    const broken = await chaos.run()
    return result(broken.length > 0 ? broken : await verdict(chaos))
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `\n${error.cause.stack}` : ''
    return result([`${error instanceof Error ? error.stack : error}${cause}`])
  } finally {
    await chaos.end()
  }
}
