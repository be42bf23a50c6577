import { SafetyError } from '../../errors.ts'
import { getBuild } from '../../hub/calls-build.ts'
import { listTagsOfBuild } from '../../hub/calls-tag.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type { Key } from '../../model/key.ts'
import { formatKey } from '../../model/key.ts'
import type { Expectation, Priority } from '../../model/outcome.ts'
import { BUILD_STATE, type Build } from '../../model/records.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Placement } from '../../storage/placement.ts'
import type { Converged, Converger, Deps } from '../deps.ts'
import type { BuildRef } from '../identify.ts'
import { noteClashes } from '../settle.ts'
import { MAX_WAITS, skipped, waitFor } from '../wait.ts'
import { applyBuild } from './content.ts'
import { awaitedOf, stillAwaited, unmetOf } from './expected.ts'
import { ensureExternalRpms } from './external-rpms.ts'
import { dropPlaces } from './files.ts'
import { isWhole, observeBuild, type ProdBuild } from './observe.ts'
import { placementOf } from './placement-of.ts'
import { ensureNameRefs, findPartRefs } from './refs.ts'
import { removeBuild } from './remove.ts'
import { decideRow } from './row.ts'
import { includeBuilds } from './scope-builds.ts'
import { convergeSignatures, foreseeSignatures } from './signatures.ts'
import { disown, isPruned, isTakenOver, readStanding, type Standing } from './standing.ts'

type BuildKey = Extract<Key, { kind: 'build' }>

/** How prod is asked for a claim: at its priority, until the daemon stops. */
type ClaimReads = ReadOptions & { readonly priority: Priority; readonly signal: AbortSignal }

/**
 * A build: its row, types, rpms, signatures, checksums, archives, components, and its files.
 *
 * Only COMPLETE builds are replicated; one that ceases to be becomes what Koji's own delete or reset makes of it. Files are
 * placed before the rows, and taken away after them. Builds that its archives contain come first, as dependencies.
 */
export class BuildConverger implements Converger<BuildKey> {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Asks for signatures, of which there are many messages for a build, while the key is marked and claimed. */
  foresee(
    key: BuildKey,
    expect: readonly Expectation[],
    signal: AbortSignal,
  ): ReturnType<typeof foreseeSignatures> {
    return foreseeSignatures(this.#deps, key.buildId, expect, { priority: 'live', signal })
  }

  async converge(
    key: BuildKey,
    claim: Claim,
    signal: AbortSignal,
    foreseen: ReturnType<typeof foreseeSignatures> = null,
  ): Promise<Converged> {
    const { hub, database, owner } = this.#deps
    const options = { priority: claim.priority, signal }
    const signed = await convergeSignatures(this.#deps, key.buildId, claim, options, foreseen)
    if (signed !== null) return signed
    const prod = await observeBuild(hub, key.buildId, options)
    const unmet = unmetOf(claim.expect, prod)
    if (prod === null) return this.#unknown(key)
    const ref = refOf(isWhole(prod) ? prod.build : prod)
    let standing = await readStanding(database, owner, ref)
    if (isTakenOver(standing)) {
      await disown(database, ref.id)
      standing = await readStanding(database, owner, ref)
    }
    if (!isWhole(prod)) {
      const { own } = standing
      if (own !== null)
        return { ...(await removeBuild(this.#deps, claim, prod, { ...standing, own })), unmet }
      if (standing.clashes) await noteClashes(database, formatKey(key), [])
      const fenced = await dropPlaces(this.#deps, claim, standing.placements, unmet)
      return { ...skipped(`it is not COMPLETE in prod (state ${prod.state})`), unmet, fenced }
    }

    const reason = await this.#whyOutside(prod, standing, options)
    if (reason !== null) {
      const fenced = await dropPlaces(this.#deps, claim, standing.placements, [])
      return { ...skipped(reason), fenced }
    }
    const row = decideRow(prod, standing)
    if (row.kind === 'owned-by') {
      const first: Key = { kind: 'build', buildId: row.prodId }
      return waitFor(this.#deps, claim, [first], 'another build of ours still has its NVR')
    }
    const parts = await findPartRefs(database, owner, prod)
    const missing = await this.#coming(claim, parts.missing, options)
    if (missing.length > 0) {
      await includeBuilds(database, missing, `component of build ${prod.build.id}`)
      return waitFor(this.#deps, claim, missing, 'what its archives contain comes first')
    }

    const placement = await placementOf(this.#deps, prod, standing, options)
    const stagingVolume = this.#deps.placement.stagingVolume(placement, prod.build.volumeName)
    const names = await ensureNameRefs(this.#deps, prod, stagingVolume, claim.priority)
    const externalRpms = await ensureExternalRpms(this.#deps, parts.externalRpms)
    return applyBuild(this.#deps, {
      claim,
      signal,
      unmet: [...unmet, ...(await this.#unsettled(prod, claim))],
      settles: prod.build.taskId === null && prod.build.cgId === null && claim.priority === 'live',
      prod,
      standing,
      names,
      parts: { rpms: new Map([...parts.rpms, ...externalRpms]), archives: parts.archives },
      placement,
      stagingVolume,
      standsAlready: await standsAlready(placement, standing),
    })
  }

  /** Of what may still come, what is young enough to be looked for again. */
  async #unsettled(prod: ProdBuild, claim: Claim): Promise<Expectation[]> {
    const awaited = awaitedOf(claim.expect, prod)
    if (awaited.length === 0) return []
    const [row] = await this.#deps.database.query<{ now: number }>(
      'build.now',
      `select extract(epoch from clock_timestamp())::double precision * 1000 as now`,
    )
    return stillAwaited(awaited, row?.now ?? 0)
  }

  /**
   * Of what its archives contain and staging lacks: what may still come. Builds that prod has deleted since are named by its
   * archives all the same, and never come.
   */
  async #coming(claim: Claim, missing: readonly Key[], options: ClaimReads): Promise<Key[]> {
    const parked = new Set(claim.parkedDependencies.map(formatKey))
    const open = missing.filter((part) => !parked.has(formatKey(part)))
    if (open.length === 0 || claim.waits >= MAX_WAITS) return []
    const ids = open.flatMap((part) => (part.kind === 'build' ? [part.buildId] : []))
    const builds = await this.#deps.hub.read(
      ids.map((id) => getBuild(id)),
      options,
    )
    const complete = new Set(
      builds.flatMap((build) => (build?.state === BUILD_STATE.complete ? [build.id] : [])),
    )
    return open.filter((part) => part.kind !== 'build' || complete.has(part.buildId))
  }

  /** Koji never deletes a build row: prod not knowing one that we have from it means that this is not prod. */
  async #unknown(key: BuildKey): Promise<Converged> {
    const owned = await this.#deps.database.query(
      'build.owned-at-all',
      `select 1 from staging_sync.owned where kind = 'build' and prod_id = $1
       union all select 1 from build where id = $1 and create_event <= $2`,
      [key.buildId, this.#deps.owner.seedEvent ?? -1],
    )
    if (owned.length > 0) {
      throw new SafetyError(
        'HUB_LOST_BUILD',
        `prod's hub does not know build ${key.buildId}, which came from it: this is another hub, nothing is removed`,
        { detail: { buildId: key.buildId } },
      )
    }
    return skipped('prod has no such build')
  }

  /** Why the build is left alone; null: it is in scope. */
  async #whyOutside(prod: ProdBuild, standing: Standing, options: ClaimReads): Promise<string | null> {
    const { scope, database, hub } = this.#deps
    const stands = standing.own !== null && !isPruned(standing)
    if (scope.builds === 'all' || stands || standing.included) return null
    const [tags] = await hub.read([listTagsOfBuild(prod.build.id)], options)
    for (const tag of tags) {
      if ((await scope.whyOutside(hub, database, tag.id, options.priority, options.signal)) === null)
        return null
    }
    return tags.length === 0 ? 'it is in no tag' : 'it is in no tag that is in scope'
  }
}

/** A build without a record of its files is in staging's own tree where that has them: copied, or made there. */
async function standsAlready(placement: Placement, standing: Standing): Promise<boolean> {
  const row = standing.own ?? standing.named
  if (row === null || row.state !== BUILD_STATE.complete || standing.placements.length > 0) return false
  return placement.standsAlready(row)
}

function refOf(build: Build): BuildRef {
  return { id: build.id, name: build.packageName, version: build.version, release: build.release }
}
