import { SafetyError } from '../errors.ts'
import { isStruct, type Value } from '../model/value.ts'

/** What may be sent: how many positional arguments, and which keywords. */
interface Allowed {
  readonly positional: number
  readonly keywords: readonly string[]
}

function allow(positional: number, ...keywords: string[]): Allowed {
  return { positional, keywords }
}

/**
 * The one list of what is ever asked of prod's hub. Every method here only reads when it is called without a session
 * and with these arguments; what is not here is refused before it is sent. Left out on purpose: `create` of getPackage
 * and getTagID (makes rows), `strict` (a fault instead of nil), anything of sessions.
 */
export const ALLOWED: ReadonlyMap<string, Allowed> = new Map([
  ['_listapi', allow(0)],
  ['getAPIVersion', allow(0)],
  ['getAllPerms', allow(0)],
  ['getArchiveTypes', allow(0)],
  ['getBuild', allow(1)],
  ['getBuildTarget', allow(1)],
  ['getBuildTargets', allow(0, 'buildTagID', 'destTagID')],
  ['getBuildType', allow(1)],
  ['getEvent', allow(1)],
  ['getExternalRepo', allow(1)],
  ['getImageBuild', allow(1)],
  ['getInheritanceData', allow(1)],
  ['getKojiVersion', allow(0)],
  ['getLastEvent', allow(0, 'before')],
  ['getMavenBuild', allow(1)],
  ['getPackage', allow(1)],
  ['getRPMChecksums', allow(1, 'checksum_types', 'cacheonly')],
  ['getTag', allow(1, 'blocked')],
  ['getTagExternalRepos', allow(0, 'tag_info')],
  ['getTagGroups', allow(1, 'inherit', 'incl_blocked')],
  ['getUser', allow(1)],
  ['getWinBuild', allow(1)],
  ['listArchives', allow(0, 'buildID', 'imageID', 'type', 'queryOpts')],
  ['listBTypes', allow(0)],
  [
    'listBuilds',
    allow(
      0,
      'packageID',
      'state',
      'volumeID',
      'type',
      'draft',
      'createdAfter',
      'completeAfter',
      'completeBefore',
      'promotedAfter',
      'queryOpts',
    ),
  ],
  ['listCGs', allow(0)],
  ['listExternalRepos', allow(0)],
  ['listPackages', allow(0, 'tagID', 'pkgID', 'inherited')],
  ['listRPMs', allow(0, 'buildID', 'imageID', 'queryOpts')],
  ['listTaggedRPMS', allow(1, 'latest', 'inherit', 'rpmsigs', 'package', 'extra')],
  ['listTags', allow(0, 'build', 'package', 'queryOpts')],
  ['listUsers', allow(0, 'userType')],
  ['listVolumes', allow(0)],
  [
    'queryHistory',
    allow(
      0,
      'tables',
      'tag',
      'package',
      'build',
      'external_repo',
      'build_target',
      'afterEvent',
      'active',
      'queryOpts',
    ),
  ],
  ['queryRPMSigs', allow(0, 'rpm_id', 'sigkey', 'queryOpts')],
])

/** Throws HUB_CALL_REFUSED unless the call is on the list. `kwargs` are those that are really sent. */
export function assertAllowed(
  method: string,
  args: readonly Value[],
  kwargs: { readonly [name: string]: Value },
): void {
  const allowed = ALLOWED.get(method)
  if (allowed === undefined) throw refused(method, 'the method is not on the read-only list')
  if (args.length > allowed.positional) throw refused(method, `more than ${allowed.positional} arguments`)
  const stranger = Object.keys(kwargs).find((name) => !allowed.keywords.includes(name))
  if (stranger !== undefined) throw refused(method, `argument ${stranger} is not on the read-only list`)
  // A struct with this member would be taken for keyword arguments (koji/__init__.py `decode_args`).
  if (args.some((arg) => isStruct(arg) && Object.hasOwn(arg, '__starstar')))
    throw refused(method, 'keyword arguments in disguise')
  // Without it the hub computes and stores what it lacks, for anybody (kojihub.py `getRPMChecksums`).
  if (method === 'getRPMChecksums' && kwargs.cacheonly !== true)
    throw refused(method, 'it writes unless cacheonly is true')
}

function refused(method: string, why: string): SafetyError {
  return new SafetyError(
    'HUB_CALL_REFUSED',
    `refused to call ${JSON.stringify(method)} of prod's hub: ${why}`,
    {
      detail: { method },
    },
  )
}
