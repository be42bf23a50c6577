import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { LocalRows } from './local-actions.ts'
import { Chaos, type ChaosOptions } from './one-run.ts'
import type { Plan } from './plan.ts'
import { judge } from './verdict.ts'

/** Rules that the world's configuration has no line for. */
const CONFIG = `
[scrub]
days = 0
builds_per_second = 1000
[copy]
fsync = false
reserve_bytes = 0
[prod.volumes]
DEFAULT = "prod"
archive = "prod-archive"
`
const MIXED = `
[[placement]]
packages = ["bash"]
mode = "farm"
[[placement]]
packages = ["vim"]
mode = "copy"
[[placement]]
mode = "volume"
`
export interface ChaosResult {
  /** Empty: the promises hold. */
  readonly complaints: readonly string[]
  /** What happened, a line each, for who looks into a failure. */
  readonly story: readonly string[]
  readonly seconds: number
}

/** What a run is made with, but for the local rows that earlier plans have left. */
export type RunOptions = Omit<ChaosOptions, 'rows'> & {
  /** staging's database, where it has a server of its own */
  readonly stagingUrl?: string
}

/** A fresh pair of Kojis for plans with these settings. */
export function chaosWorld(
  { builds, onClash, placement }: Plan,
  { stagingUrl }: RunOptions = {},
): Promise<E2eWorld> {
  const rules = placement === 'mixed' ? MIXED : `[[placement]]\nmode = "${placement}"\n`
  return e2eWorld({
    config: `${CONFIG}[scope]\nbuilds = "${builds}"\n[conflicts]\nbuild = "${onClash}"\n${rules}`,
    ...(stagingUrl === undefined ? {} : { stagingUrl }),
  })
}

/** Does all of a plan to a fresh pair of Kojis, lets everything come to rest, and judges. */
export async function runChaos(plan: Plan, options: RunOptions = {}): Promise<ChaosResult> {
  const world = await chaosWorld(plan, options)
  try {
    return await runIn(world, plan, judge, { ...options, rows: new LocalRows() })
  } finally {
    await world.close()
  }
}

/** The same in Kojis that other plans have left; `verdict` may leave out what costs much. */
export async function runIn(
  world: E2eWorld,
  plan: Plan,
  verdict: typeof judge,
  options: ChaosOptions,
): Promise<ChaosResult> {
  const startedMs = performance.now()
  const chaos = await Chaos.open(world, plan, options)
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
