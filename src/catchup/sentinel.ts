import { SafetyError } from '../errors.ts'
import { getBuild } from '../hub/calls-build.ts'
import { BUILD_STATE, type Build } from '../model/records.ts'
import type { Sql } from '../staging/database.ts'
import type { ReadOne } from './prod-events.ts'
import type { Run } from './run.ts'

interface Sentinel {
  readonly buildId: number
  readonly nvr: string
  readonly createEvent: number
  readonly completionTime: string
}

/** Of the newest builds that staging has, how many are asked about until one can stand guard. */
const CANDIDATES = 5

/**
 * Throws SafetyError PROD_CHANGED when prod does not know the build that staging knows it had. Koji deletes no build row, and
 * only a draft's NVR changes (none stands guard). A build that was reset and built anew keeps id and NVR and has a *later*
 * creation event (kojihub.py recycle_build): that is prod's own doing.
 */
export async function checkSentinel(sql: Sql, read: ReadOne): Promise<void> {
  const sentinel = await readSentinel(sql)
  if (sentinel === null) return
  const build = await read(getBuild(sentinel.buildId))
  if (build !== null && nvrOf(build) === sentinel.nvr && build.creationEvent >= sentinel.createEvent) {
    return
  }
  const was = `${sentinel.nvr}, created by event ${sentinel.createEvent}, completed ${sentinel.completionTime}`
  const is = build === null ? 'does not exist' : `is ${nvrOf(build)}, created by event ${build.creationEvent}`
  throw new SafetyError(
    'PROD_CHANGED',
    `prod's build ${sentinel.buildId} was ${was}, and now ${is}: this is not the prod that staging follows, nothing is written`,
    { detail: { sentinel, creationEvent: build?.creationEvent ?? null } },
  )
}

/** Lets the newest build that staging has from prod stand guard. It must be the same on both sides. */
export async function renewSentinel(run: Run): Promise<void> {
  const known = await readSentinel(run.database)
  const candidates = await readCandidates(run.database, run.seedEvent)
  if (candidates.length === 0 || candidates[0]?.prodId === known?.buildId) return
  const builds = await run.read(candidates.map(({ prodId }) => getBuild(prodId)))
  const chosen = builds.find(
    (build, index) =>
      build !== null &&
      build.state === BUILD_STATE.complete &&
      !build.draft &&
      nvrOf(build) === candidates[index]?.nvr,
  )
  if (chosen === undefined || chosen === null) return
  await run.database.query(
    'catchup.set-sentinel',
    `insert into staging_sync.catchup_sentinel as s (build_id, nvr, create_event, completion_time)
     values ($1, $2, $3, $4::text::timestamp)
     on conflict (only_one) do update set build_id = excluded.build_id, nvr = excluded.nvr,
       create_event = excluded.create_event, completion_time = excluded.completion_time`,
    [chosen.id, nvrOf(chosen), chosen.creationEvent, chosen.completionTime],
  )
}

async function readSentinel(sql: Sql): Promise<Sentinel | null> {
  const [row] = await sql.query<Sentinel>(
    'catchup.sentinel',
    `select build_id as "buildId", nvr, create_event as "createEvent",
            to_char(completion_time, 'YYYY-MM-DD HH24:MI:SS.US') as "completionTime"
       from staging_sync.catchup_sentinel`,
  )
  return row ?? null
}

function readCandidates(sql: Sql, seedEvent: number | null): Promise<{ prodId: number; nvr: string }[]> {
  return sql.query(
    'catchup.sentinel-candidates',
    `(select o.prod_id as "prodId", p.name || '-' || b.version || '-' || b.release as nvr
        from staging_sync.owned o join build b on b.id = o.staging_id join package p on p.id = b.pkg_id
       where o.kind = 'build' and b.state = $2 order by o.prod_id desc limit $3)
     union all
     (select b.id, p.name || '-' || b.version || '-' || b.release
        from build b join package p on p.id = b.pkg_id
       where b.create_event <= $1::int and b.state = $2 order by b.id desc limit $3)
     limit $3`,
    [seedEvent, BUILD_STATE.complete, CANDIDATES],
  )
}

function nvrOf(build: Build): string {
  return `${build.packageName}-${build.version}-${build.release}`
}
