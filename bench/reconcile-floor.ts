import { named, type Param, type RawCall, RawHub, requestOf } from './raw-hub.ts'
import type { Bulk } from './reconcile-content.ts'

/** Requests at a time that are tried: one, and what the product may have on its way as it is delivered. */
const CONNECTIONS = [1, 4]

/** Calls of a multicall. */
const CALLS = 200
/** Rows of a page. */
const PAGE = 5_000

/** Builds, with every column and type. */
const BUILD_TYPES = [null, 'rpm', 'maven', 'win', 'image'] as const

type Request = readonly RawCall[]

/**
 * Milliseconds of the fastest known way to have the bytes of a whole Koji on this side; nothing is decoded. Of each part the ways are tried
 * one after the other, each with one request at a time and with four; the fastest counts.
 */
export interface Floors {
  /** what a snapshot reads: tags with their lists; builds with types; rpms; signatures with their hashes; checksums */
  readonly wholeMs: number
  /** what a comparison reads: tags with their lists; builds; rpms with payloads and signing keys */
  readonly compareMs: number
}

export async function readFloors(
  hubUrl: string,
  bulk: Bulk,
  which: { readonly whole: boolean },
): Promise<Floors> {
  const fastest = (name: string, ways: readonly (readonly Request[])[]) => fastestOf(hubUrl, name, ways)
  const tags = await fastest('tags and lists', [bulk.tags.map(tagRequest)])
  const builds = await fastest('builds', [pages('listBuilds', 'build_id', bulk.builds, { state: 1 })])
  if (!which.whole) {
    const rpms = await fastest('rpms with keys', [
      bulk.tags.map(
        (tag): Request => [['listTaggedRPMS', tag, named({ latest: false, inherit: false, rpmsigs: true })]],
      ),
      [...rpmPages(bulk), ...signaturePages(bulk)],
    ])
    return { wholeMs: Number.NaN, compareMs: tags + builds + rpms }
  }
  const types = await fastest('types', [
    BUILD_TYPES.flatMap((type) =>
      type === 'rpm'
        ? pages('listBuilds', 'build_id', bulk.builds, { type })
        : type === null
          ? []
          : [[['listBuilds', named({ type })] as RawCall]],
    ),
  ])
  const rpms = await fastest('rpms', [
    rpmPages(bulk),
    multicalls(ids(bulk.builds), (id) => ['listRPMs', named({ buildID: id })]),
  ])
  const signatures = await fastest('signatures', [
    signaturePages(bulk),
    multicalls(ids(bulk.rpms), (id) => ['queryRPMSigs', named({ rpm_id: id })]),
  ])
  // The hub has no call for those of several rpms.
  const checksums = await fastest('checksums', [
    multicalls(ids(bulk.rpms), (id) => ['getRPMChecksums', named({ rpm_id: id, cacheonly: true })]),
  ])
  return { wholeMs: tags + builds + types + rpms + signatures + checksums, compareMs: Number.NaN }
}

export function tagRequest(tag: string): Request {
  return [
    ['getTag', tag],
    ['getInheritanceData', tag],
    ['getTagGroups', tag, named({ inherit: false, incl_blocked: true })],
    ['getTagExternalRepos', named({ tag_info: tag })],
    [
      'queryHistory',
      named({ tables: ['tag_packages', 'tag_package_owners', 'tag_listing'], tag, active: true }),
    ],
  ]
}

const rpmPages = (bulk: Bulk) => pages('listRPMs', 'id', bulk.rpms, {})
const signaturePages = (bulk: Bulk) => pages('queryRPMSigs', 'rpm_id,sigkey', bulk.rpms, {})

export function pages(
  method: string,
  order: string,
  rows: number,
  filter: { readonly [name: string]: Param },
): Request[] {
  return Array.from(
    { length: Math.ceil(rows / PAGE) },
    (_, i): Request => [[method, named({ ...filter, queryOpts: { order, limit: PAGE, offset: i * PAGE } })]],
  )
}

/** Of a Koji that was made at once. */
const ids = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

/** One call for each id. */
export function multicalls(all: readonly number[], callOf: (id: number) => RawCall): Request[] {
  return Array.from({ length: Math.ceil(all.length / CALLS) }, (_, i) =>
    all.slice(i * CALLS, (i + 1) * CALLS).map(callOf),
  )
}

/** Milliseconds of the fastest of several ways to ask for the same. */
export async function fastestOf(
  hubUrl: string,
  name: string,
  ways: readonly (readonly Request[])[],
): Promise<number> {
  const times: number[] = []
  for (const way of ways)
    for (const connections of CONNECTIONS) times.push(await timeOf(hubUrl, way, connections))
  const best = Math.min(...times)
  console.log(`floor, ${name}: ${Math.round(best)} ms of ${times.map(Math.round).join(', ')}`)
  return best
}

async function timeOf(hubUrl: string, requests: readonly Request[], connections: number): Promise<number> {
  const hub = new RawHub(hubUrl, connections)
  const rest = [...requests].reverse()
  const hand = async (): Promise<void> => {
    for (let one = rest.pop(); one !== undefined; one = rest.pop()) await hub.post(requestOf(one))
  }
  const begun = performance.now()
  try {
    await Promise.all(Array.from({ length: connections }, hand))
    return performance.now() - begun
  } finally {
    hub.close()
  }
}
