import { setMaxListeners } from 'node:events'
import { checkSentinel } from '../catchup/sentinel.ts'
import { openWindow } from '../catchup/window.ts'
import type { Deps } from '../converge/deps.ts'
import { queryHistory } from '../hub/calls-history.ts'
import { listTags } from '../hub/calls-tag.ts'
import type { Call, ReadOptions } from '../hub/hub.ts'
import type { Drift } from '../model/drift.ts'
import type { Found } from './found.ts'
import { IdSet } from './id-set.ts'
import { judge } from './judge.ts'
import { lookTwice, type Unit } from './look-twice.ts'
import { compareRepos, compareTargets, findGone } from './named.ts'
import { patientHub } from './patient-hub.ts'
import { readAhead } from './read-ahead.ts'
import { chooseRoots } from './roots.ts'
import { compareTag, compareTagged, readTag, type WholeTag } from './tag.ts'
import { compareByIds, walkBuilds } from './walk-builds.ts'
import { type WalkedTag, walkTags } from './walk-tags.ts'

/*
 * What is compared how. "Converger": the difference is computed by the converger's own code, policy included, without its
 * writes. "Coarse": what one cheap answer of the hub holds is compared with staging's rows; the converger settles it.
 *
 * | what                                             | prod's side                                | how       |
 * | ------------------------------------------------ | ------------------------------------------ | --------- |
 * | tag: config, extra, inheritance, repos, groups   | observeTag: one multicall a tag            | converger |
 * | package list, owners                             | queryHistory(active) a tag                 | converger |
 * | ordered listings                                 | the same answer                            | converger |
 * | targets, external repos                          | queryHistory(active), all at once          | converger |
 * | names of tags, targets, external repos           | the same answers                           | coarse    |
 * | tags, targets, repos that prod shows no more     | the same answers                           | coarse    |
 * | builds: state, NVR, owner, volume, times, source, extra | listBuilds by completion time; getBuild with `--tag` | coarse |
 * | rpms, payloads, signing keys of tagged builds    | listTaggedRPMS a tag (or a package)        | coarse    |
 * | archives of tagged builds that have any          | listArchives a build                       | coarse    |
 * | sighash, checksums, components, rest of rpm and archive rows, content of builds in no tag, files | | scrub only |
 */

/** What is read at a time. */
export interface ReconcileLimits {
  /** builds of a page */
  readonly pageRows: number
  /** of a tag's package list or listing, in one answer */
  readonly listRows: number
  /** of a tag with more builds than this, rpms are read package by package, to keep answers small */
  readonly tagBuilds: number
  /** such packages in one request */
  readonly packages: number
  /** builds whose content staging reads at a time */
  readonly builds: number
  /** getBuild in one request */
  readonly multicall: number
}

const LIMITS: ReconcileLimits = {
  pageRows: 2_000,
  listRows: 10_000,
  tagBuilds: 5_000,
  packages: 20,
  builds: 500,
  multicall: 50,
}

export interface ReconcileOptions {
  readonly deps: Deps
  readonly limits?: Partial<ReconcileLimits>
}

export interface WalkOptions {
  /** names and patterns of tags; none: everything in scope */
  readonly tags: readonly string[]
  /** before a difference is looked at again: as long as others, who work on the queue, may need for a fresh change */
  readonly confirmMs: number
  /** told how many tags are to be compared, each time that more are known */
  readonly onTags?: (of: number) => void
  /** told patterns of scope that cover no tag of prod, if there are any */
  readonly onIdle?: (patterns: readonly string[]) => void
}

/** What was compared. */
export interface Walked {
  tags: number
  builds: number
}

/**
 * Compares everything in scope on both sides, prod's read at low priority, staging's set by set; writes nothing. In memory are
 * never more than three tags' lists (the next two are read meanwhile), two pages of builds, and a bit per build.
 *
 * Throws SafetyError as catch-up does when prod is not what it was, what `chooseRoots` throws, OutageError, StopError.
 */
export class Reconcile {
  readonly #deps: Deps
  readonly #limits: ReconcileLimits

  constructor(options: ReconcileOptions) {
    this.#deps = { ...options.deps, hub: patientHub(options.deps.hub) }
    this.#limits = { ...LIMITS, ...options.limits }
  }

  /** Differences as they are found, those of a tag together. */
  async *walk(signal: AbortSignal, options: WalkOptions, walked: Walked): AsyncGenerator<readonly Drift[]> {
    const { database, hub } = this.#deps
    // Many reads at a time listen to it.
    const shared = AbortSignal.any([signal])
    setMaxListeners(0, shared)
    const read: ReadOptions = { priority: 'sweep', signal: shared }
    const readOne = async <T>(call: Call<T>): Promise<T> => (await hub.read([call], read))[0]
    await openWindow(database, readOne, { overlapMs: 0, since: undefined })
    await checkSentinel(database, readOne)
    const look = async (unit: Unit): Promise<Drift[]> =>
      judge(database, await lookTwice(unit, options.confirmMs, signal))

    const tags = await readOne(listTags())
    const idle = this.#deps.scope.idle(tags.map(({ name }) => name))
    if (idle.length > 0) options.onIdle?.(idle)
    const roots = await chooseRoots(this.#deps, tags, options.tags)
    const whole = options.tags.length === 0
    const seen = new IdSet()
    const needed = new Set<number>()
    if (whole) {
      const drifts = await look(() => this.#compareNamed(read, needed))
      yield drifts
      const shown = tags.map(({ id }) => id)
      yield await look(() => findGone(this.#deps, 'tag', shown, (tag) => this.#isInScope(tag)))
    }
    const from = { roots: roots.map(({ id }) => id), needed, seen }
    let known = -1
    const tell = (): void => {
      if (needed.size === known) return
      known = needed.size
      options.onTags?.(new Set([...from.roots, ...needed]).size)
    }
    tell()
    for await (const walkedTag of readAhead(
      walkTags(this.#deps, from, this.#limits, { ...read, signal: shared }),
    )) {
      yield await this.#compareTag(walkedTag, { whole, read, look })
      walked.tags += 1
      walked.builds += walkedTag.tag.builds.length
      tell()
    }
    if (whole) yield* this.#walkBuilds(seen, read, look)
  }

  /** All of a tag together, so that nobody who works on one of its keys makes the next one equal before it was compared. */
  async #compareTag(
    { tag, builds, rpms }: WalkedTag,
    about: { whole: boolean; read: ReadOptions; look: (unit: Unit) => Promise<Drift[]> },
  ): Promise<Drift[]> {
    const { whole, read, look } = about
    const { listRows } = this.#limits
    const ids = builds.map(({ id }) => id)
    let first: WholeTag | null = tag
    let firstRpms = rpms
    const units: Unit[] = [
      async () => {
        const now = first ?? (await readTag(this.#deps, tag.tag.id, async () => true, listRows, read))
        first = null
        return now === null ? [] : compareTag(this.#deps, now, read)
      },
    ]
    if (builds.length > 0) {
      units.push(() => {
        const now = firstRpms
        firstRpms = null
        return compareTagged(this.#deps, tag, builds, now, this.#limits, read)
      })
    }
    if (!whole) {
      units.push(() => this.#compareReposOf(tag, read))
      units.push(() => compareByIds(this.#deps, ids, () => false, this.#limits.multicall, read))
    }
    const drifts: Drift[] = []
    for (const unit of units) drifts.push(...(await look(unit)))
    return drifts
  }

  async *#walkBuilds(
    tagged: IdSet,
    read: ReadOptions,
    look: (unit: Unit) => Promise<Drift[]>,
  ): AsyncGenerator<readonly Drift[]> {
    const { database, scope } = this.#deps
    const parts = new IdSet()
    const rows = await database.query<{ id: number }>(
      'reconcile.scope-builds',
      'select build_id as id from staging_sync.scope_build',
    )
    for (const { id } of rows) parts.add(id)
    // Those that are tagged were looked for with their tags.
    const inScope = (id: number): boolean => !tagged.has(id) && (scope.builds === 'all' || parts.has(id))
    const pages = readAhead(walkBuilds(this.#deps, inScope, this.#limits, read))
    for await (const { unit } of pages) yield await look(unit)
  }

  /** Targets and external repos. The tags of targets in scope are `needed`. */
  async #compareNamed(read: ReadOptions, needed: Set<number>): Promise<Found[]> {
    const { hub, database, scope } = this.#deps
    const tables = ['build_target_config', 'external_repo_config'] as const
    const [history] = await hub.read([queryHistory(tables, { active: true })], read)
    const targets = []
    for (const target of history.build_target_config) {
      const tags = [
        { id: target.buildTagId, name: target.buildTagName, sideTag: false },
        { id: target.destTagId, name: target.destTagName, sideTag: false },
      ]
      const covered = await Promise.all(tags.map((tag) => scope.covers(database, tag)))
      if (!covered.includes(true)) continue
      targets.push(target)
      for (const { id } of tags) needed.add(id)
    }
    const repos = history.external_repo_config
    return [
      ...(await compareRepos(this.#deps, repos)),
      ...(await compareTargets(this.#deps, targets)),
      ...(await findGone(
        this.#deps,
        'external_repo',
        repos.map(({ externalRepoId }) => externalRepoId),
        always,
      )),
      ...(await findGone(
        this.#deps,
        'build_target',
        history.build_target_config.map(({ targetId }) => targetId),
        always,
      )),
    ]
  }

  async #compareReposOf(tag: WholeTag, read: ReadOptions): Promise<Found[]> {
    const ids = tag.rows.tag_external_repos.map((row) => row.externalRepoId)
    const answers = await this.#deps.hub.read(
      ids.map((externalRepo) => queryHistory(['external_repo_config'], { externalRepo, active: true })),
      read,
    )
    return compareRepos(
      this.#deps,
      answers.flatMap((answer) => answer.external_repo_config),
    )
  }

  async #isInScope(tag: { readonly id: number; readonly name: string }): Promise<boolean> {
    return (await this.#deps.scope.whyFrozen(this.#deps.database, tag)) === null
  }
}

const always = async (): Promise<boolean> => true
