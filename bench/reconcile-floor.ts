import { named, type RawCall, RawHub, requestOf } from './raw-hub.ts'
import type { Bulk } from './reconcile-content.ts'

const PAGE = 1_000

/** Milliseconds of each way to read the bytes of a whole Koji, one request after the other; nothing is decoded. */
export interface Floors {
  /** every build, rpm and signature, in pages: what a snapshot needs, but for types and archives */
  readonly pagesMs: number
  /** tags' settings, lists and history, their rpms with signing keys, and every build by pages: what a comparison needs */
  readonly compareMs: number
}

export async function readFloors(hubUrl: string, bulk: Bulk): Promise<Floors> {
  const hub = new RawHub(hubUrl, 1)
  try {
    const read = (...calls: RawCall[]) => hub.post(requestOf(calls))
    const builds = await timed(() => pages(read, 'listBuilds', 'build_id', bulk.builds, { state: 1 }))
    const rpms = await timed(() => pages(read, 'listRPMs', 'id', bulk.rpms, {}))
    const signatures = await timed(() => pages(read, 'queryRPMSigs', 'rpm_id,sigkey', bulk.rpms, {}))
    const tags = await timed(async () => {
      for (const tag of bulk.tags) {
        await read(
          ['getTag', tag],
          ['getInheritanceData', tag],
          ['getTagGroups', tag, named({ inherit: false, incl_blocked: true })],
          ['getTagExternalRepos', named({ tag_info: tag })],
          [
            'queryHistory',
            named({ tables: ['tag_packages', 'tag_package_owners', 'tag_listing'], tag, active: true }),
          ],
        )
        await read(['listTaggedRPMS', tag, named({ latest: false, inherit: false, rpmsigs: true })])
      }
    })
    return { pagesMs: builds + rpms + signatures + tags / 10, compareMs: builds + tags }
  } finally {
    hub.close()
  }
}

async function pages(
  read: (...calls: RawCall[]) => Promise<number>,
  method: string,
  order: string,
  rows: number,
  filter: { readonly [name: string]: number },
): Promise<void> {
  for (let offset = 0; offset < rows; offset += PAGE)
    await read([method, named({ ...filter, queryOpts: { order, limit: PAGE, offset } })])
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}
