import type { Struct, Value } from '../wire-value.ts'
import { archiveName, nvra } from './builds.ts'
import { type Asked, kw, rowsOf, sorted, type View } from './view.ts'

const archiveTypes = [null, 'maven', 'win'] as const

function questions(tag: string): Record<string, Asked> {
  return {
    tag: ['getTag', tag],
    blockedExtra: ['getTag', tag, kw({ blocked: true })],
    inheritance: ['getInheritanceData', tag],
    packages: ['listPackages', kw({ tagID: tag })],
    inheritedPackages: ['listPackages', kw({ tagID: tag, inherited: true })],
    tagged: ['listTagged', tag],
    latest: ['listTagged', tag, kw({ latest: true })],
    inheritedLatest: ['listTagged', tag, kw({ inherit: true, latest: true })],
    rpms: ['listTaggedRPMS', tag, kw({ rpmsigs: true })],
    archives: ['listTaggedArchives', tag],
    maven: ['listTaggedArchives', tag, kw({ type: 'maven' })],
    win: ['listTaggedArchives', tag, kw({ type: 'win' })],
    groups: ['getTagGroups', tag, kw({ inherit: false, incl_blocked: true })],
    repos: ['getTagExternalRepos', tag],
  }
}

/** Puts what a hub shows of these tags into the view; returns the ids of the builds in them by NVR. */
export async function viewTags(view: View, tags: string[]): Promise<Map<string, number>> {
  const builds = new Map<string, number>()
  for (const tag of tags) {
    const asked = questions(tag)
    const answers = await view.multi(Object.values(asked))
    const answer = Object.fromEntries(Object.keys(asked).map((key, index) => [key, answers[index] as Value]))
    view.put('tag', tag, answer.tag as Value)
    const blocked = answer.blockedExtra as Struct | null
    // Hubs before 1.23 know no blocked extra.
    if (blocked && 'extra' in blocked)
      view.put('tag extra with blocked', tag, { extra: blocked.extra as Value })
    view.put('inheritance', tag, answer.inheritance as Value)
    for (const row of rowsOf(answer.packages)) view.put('package list', `${tag} ${row.package_name}`, row)
    for (const row of rowsOf(answer.inheritedPackages)) {
      view.put('package list, inherited', `${tag} ${row.package_name}`, row)
    }
    viewListing(view, 'tagged', tag, rowsOf(answer.tagged))
    viewListing(view, 'tagged, latest', tag, rowsOf(answer.latest))
    viewListing(view, 'tagged, inherited latest', tag, rowsOf(answer.inheritedLatest))
    viewTaggedRpms(view, tag, answer.rpms as Value)
    archiveTypes.forEach((type) => {
      const pair = rowsOf(answer[type ?? 'archives']) as unknown as [Struct[]?, Struct[]?]
      const kind = type === null ? 'tagged archives' : `tagged archives, ${type}`
      for (const row of pair[0] ?? [])
        view.put(kind, `${tag} ${buildOf(row, pair[1])} ${archiveName(row)}`, row)
    })
    for (const group of rowsOf(answer.groups)) {
      const lists = {
        packagelist: sortedList(view, group.packagelist),
        grouplist: sortedList(view, group.grouplist),
      }
      view.put('group', `${tag} ${group.name}`, { ...group, ...lists })
    }
    view.put('external repos of tag', tag, answer.repos as Value)
    for (const row of rowsOf(answer.tagged)) builds.set(row.nvr as string, row.build_id as number)
  }
  return builds
}

/** Koji shows builds of different packages in the order of tagging; what counts is the order within a package. */
function viewListing(view: View, kind: string, tag: string, rows: Struct[]): void {
  const byPackage = new Map<string, Struct[]>()
  for (const row of rows) {
    const name = row.package_name as string
    byPackage.set(name, [...(byPackage.get(name) ?? []), row])
  }
  for (const [name, builds] of byPackage) {
    view.put(
      kind,
      `${tag} ${name}`,
      builds.map((build) => build.nvr as string),
    )
    for (const build of builds) view.put(`${kind}, row`, `${tag} ${build.nvr}`, build)
  }
}

function viewTaggedRpms(view: View, tag: string, answer: Value): void {
  const [rpms, builds] = (Array.isArray(answer) ? answer : [[], []]) as [Struct[], Struct[]]
  const found = new Map<string, { row: Struct; keys: string[] }>()
  for (const { sigkey, ...row } of rpms) {
    const name = `${tag} ${buildOf(row, builds)} ${nvra(row)}`
    const entry = found.get(name) ?? { row, keys: [] }
    entry.keys.push(String(sigkey))
    found.set(name, entry)
  }
  for (const [name, { row, keys }] of found) view.put('tagged rpm', name, { ...row, sigkeys: keys.sort() })
}

function buildOf(row: Struct, builds: Struct[] = []): string {
  return String(builds.find((build) => build.build_id === row.build_id)?.nvr)
}

function sortedList(view: View, rows: Value | undefined): Value {
  return sorted(view.clean(rowsOf(rows)) as Struct[])
}
