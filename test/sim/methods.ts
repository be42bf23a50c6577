import { getArchive, getTypedArchive, listArchives } from './calls/archives.ts'
import * as builds from './calls/builds.ts'
import * as events from './calls/events.ts'
import { getTagGroups } from './calls/groups.ts'
import { queryHistory } from './calls/history.ts'
import { getAllPerms, getArchiveTypes, getId, listCGs, lookupName } from './calls/names.ts'
import { listPackages } from './calls/packages.ts'
import * as repos from './calls/repos-targets.ts'
import * as rpms from './calls/rpms.ts'
import * as tagged from './calls/tagged.ts'
import { fullInheritance, getTag, listTags, parents } from './calls/tags.ts'
import { getUser, listUsers } from './calls/users.ts'
import type { HubSession } from './hub-session.ts'
import { Fault, faultCode, generic, isInt, type Struct, str, truthy, type Value } from './wire-value.ts'

/** Answers a call whose arguments are bound to their names. */
export type Method = (hub: HubSession, a: Struct) => Promise<Value>

/** The read methods that the simulator answers. */
export const methods: Record<string, Method> = {
  getAPIVersion: async () => 1,
  getEvent: (hub, a) => events.getEvent(hub, v(a.id), hub.since(1.35) ? truthy(a.strict) : true),
  getLastEvent: (hub, a) => events.getLastEvent(hub, v(a.before), hub.since(1.35) ? truthy(a.strict) : true),
  tagChangedSinceEvent: (hub, a) => events.tagChangedSinceEvent(hub, v(a.event), v(a.taglist)),
  tagLastChangeEvent: (hub, a) => events.tagLastChangeEvent(hub, v(a.tag), v(a.before), truthy(a.inherit)),
  tagFirstChangeEvent: (hub, a) => events.tagFirstChangeEvent(hub, v(a.tag), v(a.after), truthy(a.inherit)),
  queryHistory: (hub, { tables, ...filters }) => queryHistory(hub, v(tables), filters),

  findBuildID: (hub, a) => builds.findBuildId(hub, v(a.X), truthy(a.strict)),
  getBuild: (hub, a) => builds.getBuild(hub, v(a.buildInfo), truthy(a.strict)),
  listBuilds: builds.listBuilds,
  getBuildType: (hub, a) => builds.getBuildType(hub, v(a.buildInfo), truthy(a.strict)),
  getMavenBuild: (hub, a) => builds.getTypedBuild(hub, 'maven', v(a.buildInfo), truthy(a.strict)),
  getWinBuild: (hub, a) => builds.getTypedBuild(hub, 'win', v(a.buildInfo), truthy(a.strict)),
  getImageBuild: (hub, a) => builds.getTypedBuild(hub, 'image', v(a.buildInfo), truthy(a.strict)),
  untaggedBuilds: builds.untaggedBuilds,
  listBTypes: builds.listBTypes,
  listVolumes: (hub) => builds.listNames(hub, 'volume'),
  getVolume: async (hub, a) => {
    const found = await lookupName(hub, 'volume', v(a.volume))
    if (!found && truthy(a.strict)) throw generic(`No such volume: ${str(v(a.volume))}`)
    return found
  },

  listRPMs: rpms.listRPMs,
  getRPM: (hub, a) => rpms.getRPM(hub, v(a.rpminfo), truthy(a.strict), truthy(a.multi)),
  queryRPMSigs: rpms.queryRPMSigs,
  getRPMChecksums: rpms.getRPMChecksums,

  listArchives,
  getArchive: (hub, a) => getArchive(hub, v(a.archive_id), truthy(a.strict)),
  getMavenArchive: (hub, a) => getTypedArchive(hub, 'maven', v(a.archive_id), truthy(a.strict)),
  getWinArchive: (hub, a) => getTypedArchive(hub, 'win', v(a.archive_id), truthy(a.strict)),
  getImageArchive: (hub, a) => getTypedArchive(hub, 'image', v(a.archive_id), truthy(a.strict)),
  getArchiveTypes,

  listTags,
  getTag: (hub, a) =>
    getTag(hub, v(a.tagInfo), { strict: truthy(a.strict), event: v(a.event), blocked: truthy(a.blocked) }),
  getTagID: (hub, a) => lookup(hub, 'tag', a, true),
  getInheritanceData: async (hub, a) => parents(hub, await getId(hub, 'tag', v(a.tag), true), v(a.event)),
  getFullInheritance,
  getTagGroups: (hub, a) =>
    getTagGroups(hub, v(a.tag), {
      event: v(a.event),
      inherit: truthy(a.inherit),
      packages: truthy(a.incl_pkgs),
      requirements: truthy(a.incl_reqs),
      blocked: truthy(a.incl_blocked),
    }),
  listPackages,
  listTagged: tagged.listTagged,
  getLatestBuilds: tagged.getLatestBuilds,
  listTaggedRPMS: tagged.listTaggedRPMS,
  listTaggedArchives: tagged.listTaggedArchives,

  getBuildTargets: repos.getBuildTargets,
  getBuildTarget: (hub, a) => repos.getBuildTarget(hub, v(a.info), v(a.event), truthy(a.strict)),
  listExternalRepos: repos.listExternalRepos,
  getExternalRepo: (hub, a) => repos.getExternalRepo(hub, v(a.info), v(a.event), truthy(a.strict)),
  getTagExternalRepos: (hub, a) => repos.tagExternalRepos(hub, v(a.tag_info), v(a.repo_info), v(a.event)),
  getExternalRepoList: (hub, a) => repos.getExternalRepoList(hub, v(a.tag_info), v(a.event)),

  getUser: (hub, a) =>
    getUser(hub, v(a.userInfo), {
      strict: truthy(a.strict),
      principals: truthy(a.krb_princs),
      groups: truthy(a.groups),
    }),
  listUsers,
  getAllPerms,
  listCGs,
  getPackage: (hub, a) => lookup(hub, 'package', a, false),
  getPackageID: async (hub, a) => {
    const row = await hub.row('SELECT id FROM package WHERE name = $1', [a.name])
    if (!row && truthy(a.strict))
      throw generic(`${hub.since(1.25) ? 'No such' : 'Invalid'} package name: ${str(v(a.name))}`)
    return row?.id ?? null
  },
}

/** An argument that may be missing in this version. */
function v(value: Value | undefined): Value {
  return value ?? null
}

async function lookup(hub: HubSession, table: string, a: Struct, idOnly: boolean): Promise<Value> {
  const found = await lookupName(hub, table, v(a.info), truthy(a.strict))
  if (!found && truthy(a.create)) throw new Fault(faultCode.other, 'simulator: create=True would write')
  return idOnly ? (found?.id ?? null) : found
}

async function getFullInheritance(hub: HubSession, a: Struct): Promise<Value> {
  for (const [name, value] of Object.entries(a)) {
    if (['tag', 'event', 'reverse'].includes(name)) continue
    if (name !== 'stops' && name !== 'jumps') {
      throw new Fault(
        faultCode.parameter,
        `getFullInheritance() got an unexpected keyword argument '${name}'`,
      )
    }
    if (truthy(value) && hub.since(1.3)) {
      throw new Fault(faultCode.parameter, `${name} option has been removed since 1.26`)
    }
  }
  const tag = isInt(v(a.tag)) ? v(a.tag) : await getId(hub, 'tag', v(a.tag), true)
  return fullInheritance(hub, tag, v(a.event), truthy(a.reverse))
}
