import type { HubSession } from '../hub-session.ts'
import { Binds, run, select } from '../query.ts'
import {
  Fault,
  faultCode,
  generic,
  isInt,
  isStruct,
  repr,
  type Struct,
  truthy,
  typeName,
  type Value,
} from '../wire-value.ts'
import { decodeExtra } from './builds.ts'
import { getId } from './names.ts'
import { parseNvra } from './nvr.ts'

/** Columns of an rpm; drafts came with 1.34. */
export function rpmFields(hub: HubSession): Record<string, string> {
  const names = ['id', 'name', 'version', 'release', 'arch', 'epoch', 'payloadhash', 'size', 'buildtime']
  names.push('build_id', 'buildroot_id', 'metadata_only', ...(hub.since(1.34) ? ['draft'] : []))
  return Object.fromEntries(names.map((name) => [name, `rpminfo.${name}`]))
}

const externalFields = {
  external_repo_id: 'rpminfo.external_repo_id',
  external_repo_name: 'external_repo.name',
  extra: 'rpminfo.extra',
}

/** listRPMs (list_rpms). */
export function listRPMs(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where: string[] = []
  const fields: Record<string, string> = {
    ...rpmFields(hub),
    ...externalFields,
    nvr: "rpminfo.name || '-' || rpminfo.version || '-' || rpminfo.release",
  }
  let from = 'rpminfo LEFT JOIN external_repo ON rpminfo.external_repo_id = external_repo.id'
  const set = (name: string) => a[name] !== null && a[name] !== undefined
  if (set('buildID')) where.push(`rpminfo.build_id = ${binds.add(a.buildID)}`)
  if (set('buildrootID')) where.push(`rpminfo.buildroot_id = ${binds.add(a.buildrootID)}`)
  if (set('componentBuildrootID')) {
    fields.component_buildroot_id = 'buildroot_listing.buildroot_id'
    fields.is_update = 'buildroot_listing.is_update'
    from += ' JOIN buildroot_listing ON rpminfo.id = buildroot_listing.rpm_id'
    where.push(`buildroot_listing.buildroot_id = ${binds.add(a.componentBuildrootID)}`)
  }
  if (set('imageID')) {
    from += ' JOIN archive_rpm_components ON rpminfo.id = archive_rpm_components.rpm_id'
    where.push(`archive_rpm_components.archive_id = ${binds.add(a.imageID)}`)
  }
  if (set('hostID')) {
    from += ' JOIN standard_buildroot ON rpminfo.buildroot_id = standard_buildroot.buildroot_id'
    where.push(`standard_buildroot.host_id = ${binds.add(a.hostID)}`)
  }
  if (set('arches')) {
    if (!Array.isArray(a.arches) && typeof a.arches !== 'string') {
      throw generic(`Invalid type for "arches" parameter: ${typeName(a.arches as Value)}`)
    }
    where.push(`rpminfo.arch = ANY(${binds.add([a.arches].flat())})`)
  }
  if (set('draft')) where.push(`draft IS ${truthy(a.draft) ? 'TRUE' : 'NOT TRUE'}`)
  return run(hub, { fields, from, where, binds, opts: a.queryOpts, transform: decodeExtra })
}

/** getRPM (get_rpm): an id, an NVRA or a struct. */
export async function getRPM(hub: HubSession, info: Value, strict: boolean, multi: boolean): Promise<Value> {
  let data: Struct
  if (isInt(info)) data = { id: info }
  else if (typeof info === 'string') {
    data = hub.since(1.34) && /^\s*[-+]?\d+\s*$/.test(info) ? { id: Number(info) } : parseNvra(info)
  } else if (isStruct(info)) data = { ...info }
  else
    throw generic(
      hub.since(1.25) ? `Invalid type for rpminfo: ${typeName(info)}` : `Invalid argument: ${repr(info)}`,
    )
  const binds = new Binds()
  const where =
    'id' in data
      ? [`rpminfo.id = ${binds.add(data.id)}`]
      : ['name', 'version', 'release', 'arch'].map((key) => `rpminfo.${key} = ${binds.add(data[key])}`)
  if ('location' in data) {
    where.push(
      `external_repo_id = ${binds.add(await getId(hub, 'external_repo', data.location as Value, true))}`,
    )
  }
  const rpms = await select(hub, {
    fields: { ...rpmFields(hub), ...externalFields },
    from: 'rpminfo JOIN external_repo ON rpminfo.external_repo_id = external_repo.id',
    where,
    binds,
    transform: decodeExtra,
  })
  if (multi) return rpms
  if (rpms.length === 0 && strict) throw generic(`No such rpm: ${repr(data)}`)
  // Own rpms before drafts before external ones, and of several the newest.
  const rank = (rpm: Struct) => (rpm.external_repo_id ? 2 : rpm.draft ? 1 : 0)
  rpms.sort((a, b) => rank(a) - rank(b) || Number(b.id) - Number(a.id))
  return rpms[0] ?? null
}

/** queryRPMSigs. */
export async function queryRPMSigs(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where: string[] = []
  let rpmId = a.rpm_id as Value
  if (rpmId !== null && !isInt(rpmId) && hub.since(1.3)) {
    const rpm = (await getRPM(hub, rpmId, false, false)) as Struct | null
    if (!rpm) return []
    rpmId = rpm.id as Value
  }
  if (rpmId !== null) where.push(`rpm_id = ${binds.add(rpmId)}`)
  if (typeof a.sigkey === 'string') {
    where.push(`sigkey = ${binds.add(hub.since(1.25) ? a.sigkey.toLowerCase() : a.sigkey)}`)
  }
  const fields = { rpm_id: 'rpm_id', sigkey: 'sigkey', sighash: 'sighash' }
  return run(hub, { fields, from: 'rpmsigs', where, binds, opts: a.queryOpts })
}

const checksumTypes = ['md5', 'sha1', 'sha256']

/** getRPMChecksums; what the real hub would compute and *store* is answered by a fault: a replicator must ask cacheonly. */
export async function getRPMChecksums(hub: HubSession, a: Struct): Promise<Value> {
  if (!isInt(a.rpm_id)) throw generic('rpm_id must be an integer')
  await getRPM(hub, a.rpm_id, true, false)
  const wanted = truthy(a.checksum_types) ? (a.checksum_types as Value) : ['md5', 'sha256']
  if (!Array.isArray(wanted)) throw generic('checksum_type must be a list')
  for (const type of wanted) {
    if (!checksumTypes.includes(type as string)) throw generic(`Checksum_type ${type} isn't supported`)
  }
  const keys = await hub.rows('SELECT sigkey FROM rpmsigs WHERE rpm_id = $1', [a.rpm_id])
  if (keys.length === 0) return {}
  const sums = await hub.rows(
    'SELECT checksum, checksum_type, sigkey FROM rpm_checksum WHERE rpm_id = $1 AND checksum_type = ANY($2)',
    [a.rpm_id, wanted.map((type) => checksumTypes.indexOf(type as string))],
  )
  if (sums.length !== wanted.length * keys.length && !truthy(a.cacheonly)) {
    throw new Fault(faultCode.other, 'simulator: getRPMChecksums without cacheonly would write')
  }
  const answer: { [key: string]: { [type: string]: Value } } = {}
  for (const { sigkey } of keys) {
    answer[sigkey as string] ??= Object.fromEntries(wanted.map((type) => [type as string, null]))
  }
  for (const sum of sums) {
    const byType = answer[sum.sigkey as string]
    if (byType) byType[checksumTypes[sum.checksum_type as number] as string] = sum.checksum as Value
  }
  return answer
}
