import { type Day, makeDay } from './catch-up-content.ts'
import { buildProgram, mustBeEqual, runCommand } from './command.ts'
import { named, type RawCall } from './raw-hub.ts'
import type { Bulk } from './reconcile-content.ts'
import { fastestOf, multicalls, pages, tagRequest } from './reconcile-floor.ts'
import { inBulkWorld } from './reconcile-world.ts'
import { type Result, result } from './results.ts'

const GOAL = 1.2
const MEMORY_MB = 200
const PAGE = 5_000
const TABLES = ['tag_packages', 'tag_package_owners', 'tag_listing'] as const

/** `catch-up` by hand after a day without messages, without a daemon: beside the fastest reading of what has changed. */
export async function measureCatchUp(options: {
  readonly builds: number
  readonly rows: number
  readonly keep?: string | undefined
  readonly profileDir: string | null
}): Promise<Result[]> {
  await buildProgram()
  const { builds, rows, profileDir } = options
  return inBulkWorld({ ...options, staging: 'copy' }, async ({ config, hubUrl, prodUrl, topdir, bulk }) => {
    await runCommand(['init', '--config', config], null)
    await runCommand(['catch-up', '--config', config], null)
    const day = await makeDay(prodUrl, { rows, topdir })
    const floorMs = await readFloor(hubUrl, bulk, day)
    const ran = await runCommand(['catch-up', '--config', config], profileDir)
    const after = await runCommand(['reconcile', '--dry-run', '--config', config], null)
    mustBeEqual(after)
    console.log(
      `catch-up of ${rows} rows: ${Math.round(ran.ms)} ms, ${Math.round(ran.rssMb)} MB; floor ${Math.round(floorMs)} ms`,
    )
    const name = `catch-up of ${rows} rows at ${builds} builds`
    return [
      result(name, 's', { value: ran.ms / 1000, floor: floorMs / 1000, goal: GOAL }),
      result(`${name}, resident memory`, 'MB', { value: ran.rssMb, floor: MEMORY_MB, goal: 1 }),
    ]
  })
}

/**
 * The feeds of history; new builds, their type, rpms, signatures and checksums; and the lists of the tags that have changed once more: who
 * applies must have read after his claim.
 */
async function readFloor(hubUrl: string, bulk: Bulk, day: Day): Promise<number> {
  const ask = (name: string, ...ways: (readonly (readonly RawCall[])[])[]) => fastestOf(hubUrl, name, ways)
  const newest = (method: string, order: string, rows: number) => pages(method, order, rows, {})
  const ids = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i)
  const { builds, rpms, completeAfter } = day
  const parts = [
    await ask('history', feeds(day)),
    await ask('builds', pages('listBuilds', 'build_id', builds, { completeAfter })),
    await ask('types', pages('listBuilds', 'build_id', builds, { completeAfter, type: 'rpm' })),
    await ask(
      'rpms',
      newest('listRPMs', '-id', rpms),
      multicalls(ids(day.firstBuild, builds), (id) => ['listRPMs', named({ buildID: id })]),
    ),
    await ask('signatures', newest('queryRPMSigs', '-rpm_id,sigkey', rpms)),
    await ask(
      'checksums',
      multicalls(ids(day.firstRpm, rpms), (id) => [
        'getRPMChecksums',
        named({ rpm_id: id, cacheonly: true }),
      ]),
    ),
    await ask('lists', bulk.tags.map(tagRequest)),
  ]
  return parts.reduce((sum, ms) => sum + ms, 0)
}

/** Each table's rows that came, and that were revoked; by event, a page each five thousand, as many as there are. */
function feeds({ event }: Day): (readonly RawCall[])[] {
  return TABLES.flatMap((table) =>
    ['create_event', 'revoke_event'].flatMap((order) =>
      [0, 1, 2, 3].map((page): readonly RawCall[] => [
        [
          'queryHistory',
          named({
            tables: [table],
            afterEvent: event,
            active: order === 'create_event',
            queryOpts: { order, limit: PAGE, offset: page * PAGE },
          }),
        ],
      ]),
    ),
  )
}
