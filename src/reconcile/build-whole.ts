import { lookAt, prodIds } from '../converge/build/look.ts'
import { isWhole, observeBuild, type ProdBuild } from '../converge/build/observe.ts'
import { isOutside, placementOf } from '../converge/build/placement-of.ts'
import { findPartRefs } from '../converge/build/refs.ts'
import { nvrOf } from '../converge/build/row.ts'
import { isPruned, isTakenOver, readStanding, type Standing } from '../converge/build/standing.ts'
import type { Deps } from '../converge/deps.ts'
import { getBuild } from '../hub/calls-build.ts'
import type { ReadOptions } from '../hub/hub.ts'
import { filesOfBuild } from '../model/build-files.ts'
import type { DriftKind } from '../model/drift.ts'
import type { Key } from '../model/key.ts'
import { BUILD_STATE } from '../model/records.ts'
import { findOwned } from '../staging/owned.ts'
import { changesByKind } from './build-changes.ts'
import { compareBuildRows, lostBuild } from './build-rows.ts'
import type { Found } from './found.ts'
import { findNameRefs } from './name-ids.ts'

/**
 * One build whole: everything that its converger reads on both sides (`observeBuild`, `lookAt`), and its files. Writes nothing. A
 * difference is what that converger would write, policy included.
 *
 * Throws AgainError for a race, KeyError for what keeps this build from being read or judged, OutageError.
 */
export async function compareWhole(deps: Deps, buildId: number, options: ReadOptions): Promise<Found[]> {
  const { database, owner } = deps
  const prod = await observeBuild(deps.hub, buildId, options)
  if (prod === null) return [lostBuild(buildId)]
  const build = isWhole(prod) ? prod.build : prod
  const coarse = await compareBuildRows(deps, [build], () => true)
  if (!isWhole(prod)) return coarse
  const standing = await readStanding(database, owner, { ...build, name: build.packageName })
  // A tag in scope that gets it again has it brought back; until then it is missing on purpose.
  if (isPruned(standing) && deps.scope.builds !== 'all') return []
  const found = findings(buildId, nvrOf(prod))
  const missing = standing.own === null || standing.own.state !== BUILD_STATE.complete
  // What it is to be is for the converger: a clash, a row of another name, one that staging's people made anew.
  if (missing || isTakenOver(standing))
    return coarse.length > 0 ? coarse : [found('build', nvrOf(prod), null)]

  const placement = await placementOf(deps, prod, standing, options)
  const stagingVolume = deps.placement.stagingVolume(placement, build.volumeName)
  const names = await findNameRefs(database, prod, stagingVolume)
  const parts = await findPartRefs(database, owner, prod)
  const look = await lookAt(
    database,
    deps,
    { prod, names: names.refs, parts, standsAlready: await standsAlready(placement, standing) },
    { newIds: prodIds, known: standing },
  )
  const changes = changesByKind(look)
  const isHeld = look.clashes.some(({ decision }) => decision === 'held')
  const result = coarse
    .filter(({ kind, state }) => state !== 'open' || isHeld || changes.has(kind))
    .map((one) => (one.state !== 'open' || changes.has(one.kind) ? one : { ...one, state: 'held' as const }))
  const told = new Set(result.map(({ kind }) => kind))
  for (const [kind, { prod: wanted, staging }] of changes)
    if (!told.has(kind)) result.push(found(kind, wanted, staging))
  if (!result.some(({ state }) => state === 'held')) {
    for (const clash of look.clashes)
      if (clash.decision === 'held')
        result.push({ ...found('build', clash.prod, clash.local), subject: clash.subject, state: 'held' })
  }
  if (names.renamed.length > 0) result.push(found('name', names.renamed, []))
  const lacking = await lackingParts(deps, parts, options)
  if (lacking.length > 0) result.push(found('components', lacking, []))
  if (look.blocked !== null || look.ownTree) return result
  const faults = await fileFaults(prod, standing, placement, stagingVolume)
  if (faults.length === 0) return result
  // What a seed left without files: nothing in scope needs them.
  const isLeft = standing.placements.length === 0 && (await isOutside(deps, buildId, standing, options))
  return isLeft ? result : [...result, found('files', null, faults)]
}

function findings(buildId: number, subject: string) {
  const key = { kind: 'build', buildId } as const
  return (kind: DriftKind, prod: unknown, staging: unknown): Found => ({
    key,
    kind,
    subject,
    tag: null,
    prod,
    staging,
    state: 'open',
  })
}

type Placement = ReturnType<Deps['placement']['choose']>

/** As the build converger sees it (converge/build/build.ts). */
async function standsAlready(placement: Placement, standing: Standing): Promise<boolean> {
  const { own, placements } = standing
  if (own === null || placements.length > 0) return false
  return placement.standsAlready(own)
}

/** What its archives contain and staging lacks, but for builds that prod has deleted since: those never come. */
async function lackingParts(
  deps: Deps,
  parts: Awaited<ReturnType<typeof findPartRefs>>,
  options: ReadOptions,
): Promise<string[]> {
  const builds = parts.missing.filter((key): key is Extract<Key, { kind: 'build' }> => key.kind === 'build')
  const answers = await deps.hub.read(
    builds.map(({ buildId }) => getBuild(buildId)),
    options,
  )
  const coming = answers.filter((build) => build?.state === BUILD_STATE.complete)
  const repos = await findOwned(
    deps.database,
    'external_repo',
    parts.externalRpms.map((rpm) => rpm.externalRepoId),
  )
  const external = parts.externalRpms.filter((rpm) => repos.has(rpm.externalRepoId))
  return [
    ...coming.map((build) => (build === null ? '' : nvrOf({ build }))),
    ...external.map((rpm) => `${rpm.name}-${rpm.version}-${rpm.release}.${rpm.arch}`),
  ].sort()
}

/** At most so many are named. */
const SHOWN_FILES = 20

async function fileFaults(
  prod: ProdBuild,
  standing: Standing,
  placement: Placement,
  stagingVolume: string,
): Promise<string[]> {
  const { build, rpms, archives } = prod
  const placed = {
    buildId: build.id,
    name: build.packageName,
    version: build.version,
    release: build.release,
    prodVolume: build.volumeName,
    stagingVolume,
    files: filesOfBuild(prod),
    sigkeys: standing.sigkeys,
    formerVolumes: standing.placements.map((place) => place.stagingVolume),
    withoutFiles: rpms.length === 0 && archives.every(({ archive }) => archive.metadataOnly),
  }
  const link = (await placement.isPlaced(placed)) ? [] : [`not placed on volume ${stagingVolume}`]
  const faults = await placement.inspect(placed)
  const texts = faults.map(({ path, fault }) => `${path === '' ? 'its directory' : path}: ${fault}`)
  const more = texts.length > SHOWN_FILES ? [`and ${texts.length - SHOWN_FILES} more`] : []
  return [...link, ...texts.slice(0, SHOWN_FILES), ...more]
}
