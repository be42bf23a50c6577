import { getBuild, listBuilds } from '../../hub/calls-build.ts'
import { getRPMChecksums, listRPMs, queryRPMSigs } from '../../hub/calls-content.ts'
import { listBTypes, listCGs } from '../../hub/calls-lookup.ts'
import type { Hub, ReadOptions } from '../../hub/hub.ts'
import { IdPages } from '../../hub/id-pages.ts'
import { BUILD_STATE, type Build, type ListedBuild, type RpmSig } from '../../model/records.ts'
import { type ProdBuild, type ProdRpm, sameBuild } from '../build/observe.ts'

/** Rows of a page of builds, and of signatures. */
const BUILD_ROWS = 400
const SIG_ROWS = 3_000
/** Of types that few builds have. */
const FEW_ROWS = 50

/** Builds, or signatures, that may be passed over for one that is wanted: more cost the hub more than asking for each. */
const PASSED = 10

/** The type whose builds consist of rpms alone, when they have no other. */
const RPM = 'rpm'

/**
 * Reads builds that consist of rpms alone, many at a time: rows, types and signatures by pages of prod's whole lists, rpms build by
 * build. A page costs the hub a twentieth of what asking for each of its rows does.
 *
 * Only the checksums of the rpms have to be asked for one by one, in multicalls. The hub has none of an rpm without signatures, not
 * even of the unsigned header (kojihub.py getRPMChecksums), so those are not asked for.
 */
export class NewBuildsReader {
  readonly #hub: Hub
  readonly #options: ReadOptions
  readonly #builds: IdPages<ListedBuild>
  readonly #sigs: IdPages<RpmSig>
  /** by type; null: not asked for yet */
  #types: Map<string, IdPages<ListedBuild>> | null = null
  #hasGenerators = false

  constructor(hub: Hub, options: ReadOptions) {
    this.#hub = hub
    this.#options = options
    this.#builds = this.#listed({}, BUILD_ROWS)
    this.#sigs = new IdPages<RpmSig>({
      idOf: ({ rpmId }) => rpmId,
      limit: SIG_ROWS,
      read: async (offset, limit) =>
        (await hub.read([queryRPMSigs({}, { order: 'rpm_id,sigkey', offset, limit })], options))[0],
    })
  }

  /**
   * Those of the builds (ascending by id) that are COMPLETE and of rpms alone, and that nobody was at meanwhile. null: they lie so far
   * apart in prod's list that each is better asked for. Throws what the hub throws.
   */
  async read(ids: readonly number[]): Promise<ProdBuild[] | null> {
    const types = await this.#typeLists()
    const rows = await this.#rows(ids)
    if (rows === null) return null
    const complete = ids.flatMap((id) => {
      const build = rows.get(id)
      return build?.state === BUILD_STATE.complete ? [build] : []
    })
    const lists = await this.#hub.read(
      complete.map(({ id }) => listRPMs({ buildId: id })),
      this.#options,
    )
    const sigs = await this.#signatures(lists.flatMap((rpms) => rpms.map(({ id }) => id)))
    const checksums = await this.#checksums(sigs)
    const typesOf = new Map<number, Set<string>>()
    const after = new Map<number, ListedBuild>()
    for (const [name, pages] of types) {
      const inRange = await this.#inRange(pages, ids)
      if (inRange === null) return null
      for (const row of inRange) {
        typesOf.set(row.id, (typesOf.get(row.id) ?? new Set()).add(name))
        after.set(row.id, row)
      }
    }
    const found: ProdBuild[] = []
    complete.forEach((build, i) => {
      const rpms = lists[i] ?? []
      const names = typesOf.get(build.id)
      const now = after.get(build.id)
      if (names?.size !== 1 || !names.has(RPM) || now === undefined) return
      // Read last: whoever was at the build meanwhile shows here.
      if (!sameBuild(build, { ...build, ...now })) return
      found.push({
        build,
        types: new Map([[RPM, null]]),
        rpms: rpms.map((rpm) => ({
          rpm,
          sigs: sigs.get(rpm.id) ?? [],
          checksums: checksums.get(rpm.id) ?? [],
        })),
        archives: [],
      })
    })
    return found
  }

  /** listBuilds does not tell the content generator: where prod has some, each build is asked for. */
  async #rows(ids: readonly number[]): Promise<Map<number, Build> | null> {
    if (this.#hasGenerators) {
      const builds = await this.#hub.read(
        ids.map((id) => getBuild(id)),
        this.#options,
      )
      return new Map(builds.flatMap((build) => (build === null ? [] : [[build.id, build] as const])))
    }
    const rows = await this.#inRange(this.#builds, ids)
    if (rows === null) return null
    return new Map(rows.map((row) => [row.id, { ...row, cgId: null, cgName: null }]))
  }

  #inRange(pages: IdPages<ListedBuild>, ids: readonly number[]): Promise<ListedBuild[] | null> {
    return pages.between(ids[0] as number, ids.at(-1) as number, ids.length * PASSED)
  }

  async #signatures(rpmIds: readonly number[]): Promise<Map<number, RpmSig[]>> {
    const wanted = [...rpmIds].sort((a, b) => a - b)
    const found = new Map<number, RpmSig[]>(wanted.map((id) => [id, []]))
    if (wanted.length === 0) return found
    const rows = await this.#sigs.between(
      wanted[0] as number,
      wanted.at(-1) as number,
      wanted.length * PASSED,
    )
    if (rows === null) {
      const answers = await this.#hub.read(
        wanted.map((rpmId) => queryRPMSigs({ rpmId })),
        this.#options,
      )
      for (const [i, id] of wanted.entries()) found.set(id, [...(answers[i] ?? [])])
      return found
    }
    for (const row of rows) found.get(row.rpmId)?.push(row)
    return found
  }

  async #checksums(sigs: ReadonlyMap<number, readonly RpmSig[]>): Promise<Map<number, ProdRpm['checksums']>> {
    const asked = [...sigs].flatMap(([id, of]) => (of.length > 0 ? [id] : []))
    const answers = await this.#hub.read(
      asked.map((id) => getRPMChecksums(id)),
      this.#options,
    )
    return new Map(asked.map((id, i) => [id, answers[i] ?? []]))
  }

  async #typeLists(): Promise<Map<string, IdPages<ListedBuild>>> {
    if (this.#types !== null) return this.#types
    const [types, generators] = await this.#hub.read([listBTypes(), listCGs()], this.#options)
    this.#hasGenerators = generators.length > 0
    this.#types = new Map(
      types
        .map(({ name }) => name)
        .sort((a, b) => Number(a === RPM) - Number(b === RPM))
        .map((name) => [name, this.#listed({ type: name }, name === RPM ? BUILD_ROWS : FEW_ROWS)]),
    )
    return this.#types
  }

  #listed(filter: { readonly type?: string }, rows: number): IdPages<ListedBuild> {
    return new IdPages<ListedBuild>({
      idOf: ({ id }) => id,
      limit: rows,
      read: async (offset, limit) =>
        (await this.#hub.read([listBuilds(filter, { order: 'build_id', offset, limit })], this.#options))[0],
    })
  }
}
