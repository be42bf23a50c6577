import { buildProgram, mustBeEqual, type Ran, runCommand } from './command.ts'
import { readFloors } from './reconcile-floor.ts'
import { type BulkWorldOptions, inBulkWorld } from './reconcile-world.ts'
import { type Result, result } from './results.ts'

const EMPTY_GOAL = 1.1
const SNAPSHOT_GOAL = 1.2
/** At another size: cost a build, and memory, within 30 %. */
const FLAT_GOAL = 1.3
/** What the program may have resident, whatever the size of Koji. */
const MEMORY_MB = 200

export interface ReconcileMeasure {
  readonly builds: number
  /** beside which cost and memory must be flat; null: nothing is put beside them */
  readonly beside: number | null
  readonly parts: readonly ('empty' | 'snapshot')[]
  readonly keep?: string | undefined
  readonly profileDir: string | null
}

/** A reconcile that finds nothing, and one from nothing: beside the fastest reading of the same content, and beside themselves at another size. */
export async function measureReconcile(options: ReconcileMeasure): Promise<Result[]> {
  await buildProgram()
  const { builds, beside, parts } = options
  const results: Result[] = []
  for (const part of parts) {
    const [measure, goal] =
      part === 'empty' ? [measureEmpty, EMPTY_GOAL] : ([measureSnapshot, SNAPSHOT_GOAL] as const)
    const small = beside === null ? null : await measure({ ...options, builds: beside, profileDir: null })
    const large = await measure(options)
    const name = part === 'empty' ? `reconcile of ${builds} equal builds` : `snapshot of ${builds} builds`
    const row = (what: string, unit: string, value: number, floor: number, aim: number) =>
      results.push(result(`${name}${what}`, unit, { value, floor, goal: aim }))
    row('', 's', large.ran.ms / 1000, large.floorMs / 1000, goal)
    row(', resident memory', 'MB', large.ran.rssMb, MEMORY_MB, 1)
    if (small === null || beside === null) continue
    row(`, a build, beside ${beside}`, 'ms', large.ran.ms / builds, small.ran.ms / beside, FLAT_GOAL)
    row(`, memory, beside ${beside}`, 'MB', large.ran.rssMb, small.ran.rssMb, FLAT_GOAL)
  }
  return results
}

interface Measured {
  readonly ran: Ran
  readonly floorMs: number
}

type Measure = Pick<ReconcileMeasure, 'builds' | 'keep' | 'profileDir'>

function measureEmpty(options: Measure): Promise<Measured> {
  return measureIn('empty', { ...options, staging: 'copy' }, options.profileDir, ['--dry-run'])
}

function measureSnapshot(options: Measure): Promise<Measured> {
  return measureIn('snapshot', { ...options, staging: 'empty' }, options.profileDir, [])
}

function measureIn(
  what: 'empty' | 'snapshot',
  world: BulkWorldOptions,
  profileDir: string | null,
  argv: readonly string[],
): Promise<Measured> {
  return inBulkWorld(world, async ({ config, hubUrl, bulk }) => {
    await runCommand(['init', '--config', config], null)
    const whole = what === 'snapshot'
    const floors = await readFloors(hubUrl, bulk, { whole })
    const ran = await runCommand(['reconcile', ...argv, '--config', config], profileDir)
    if (!whole) mustBeEqual(ran)
    else await runCommand(['reconcile', '--dry-run', '--config', config], null).then(mustBeEqual)
    const floorMs = whole ? floors.wholeMs : floors.compareMs
    console.log(
      `${what}, ${bulk.builds} builds: ${Math.round(ran.ms)} ms, ${Math.round(ran.rssMb)} MB; floor ${Math.round(floorMs)} ms`,
    )
    return { ran, floorMs }
  })
}
