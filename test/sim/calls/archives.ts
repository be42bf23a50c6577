import type { HubSession } from '../hub-session.ts'
import { Binds, run } from '../query.ts'
import { generic, isStruct, type Struct, str, truthy, type Value } from '../wire-value.ts'
import { decodeExtra } from './builds.ts'
import { lookupName } from './names.ts'

/** Columns of an archive that all answers share. */
export const archiveFields: Record<string, string> = {
  id: 'archiveinfo.id',
  type_id: 'archiveinfo.type_id',
  btype_id: 'archiveinfo.btype_id',
  btype: 'btype.name',
  build_id: 'archiveinfo.build_id',
  buildroot_id: 'archiveinfo.buildroot_id',
  filename: 'archiveinfo.filename',
  size: 'archiveinfo.size',
  checksum: 'archiveinfo.checksum',
  checksum_type: 'archiveinfo.checksum_type',
  metadata_only: 'archiveinfo.metadata_only',
}

/** listArchives (list_archives). */
export async function listArchives(hub: HubSession, a: Struct): Promise<Value> {
  const binds = new Binds()
  const where: string[] = []
  const fields: Record<string, string> = {
    ...archiveFields,
    extra: 'archiveinfo.extra',
    type_name: 'archivetypes.name',
    type_description: 'archivetypes.description',
    type_extensions: 'archivetypes.extensions',
    ...(hub.since(1.3) ? { compression_type: 'archivetypes.compression_type' } : {}),
  }
  let from = `archiveinfo JOIN archivetypes ON archiveinfo.type_id = archivetypes.id
    JOIN btype ON archiveinfo.btype_id = btype.id`
  const equal = (argument: string, column: string) => {
    if (a[argument] === null || a[argument] === undefined) return false
    where.push(`${column} = ${binds.add(a[argument])}`)
    return true
  }
  equal('buildID', 'archiveinfo.build_id')
  equal('buildrootID', 'archiveinfo.buildroot_id')
  if (equal('componentBuildrootID', 'buildroot_archives.buildroot_id')) {
    from += ' JOIN buildroot_archives ON archiveinfo.id = buildroot_archives.archive_id'
    fields.component_buildroot_id = 'buildroot_archives.buildroot_id'
    fields.project = 'buildroot_archives.project_dep'
  }
  if (equal('imageID', 'archive_components.archive_id')) {
    from += ' JOIN archive_components ON archiveinfo.id = archive_components.component_id'
  }
  if (equal('hostID', 'standard_buildroot.host_id')) {
    from += ' JOIN standard_buildroot ON archiveinfo.buildroot_id = standard_buildroot.buildroot_id'
    fields.host_id = 'standard_buildroot.host_id'
  }
  for (const name of ['filename', 'size', 'checksum', 'checksum_type']) equal(name, `archiveinfo.${name}`)
  equal('archiveID', 'archiveinfo.id')
  if (a.type !== null) from += await typeJoin(hub, binds, fields, where, a)
  const found = await run(hub, { fields, from, where, binds, opts: a.queryOpts, transform: decodeExtra })
  if (truthy(a.strict) && !truthy(found)) throw generic('No archives found.')
  return found
}

const typeColumns: Record<string, string[]> = {
  maven: ['group_id', 'artifact_id', 'version'],
  win: ['relpath', 'platforms', 'flags'],
  image: ['arch'],
}

async function typeJoin(
  hub: HubSession,
  binds: Binds,
  fields: Record<string, string>,
  where: string[],
  a: Struct,
): Promise<string> {
  const type = a.type as string
  const info = isStruct(a.typeInfo) ? a.typeInfo : {}
  const columns = typeColumns[type]
  if (!columns) {
    const btype = await lookupName(hub, 'btype', type)
    if (!btype) throw generic(`unsupported archive type: ${str(type)}`)
    if (truthy(a.typeInfo)) throw generic(`typeInfo queries not supported for type ${btype.name}`)
    where.push(`archiveinfo.btype_id = ${binds.add(btype.id)}`)
    return ''
  }
  for (const column of columns) {
    fields[column] = `${type}_archives.${column}`
    if (!(column in info)) continue
    if (column === 'platforms' || column === 'flags') {
      for (const word of [info[column]].flat()) where.push(`${column} ~ ${binds.add(`\\m${word}\\M`)}`)
    } else where.push(`${type}_archives.${column} = ${binds.add(info[column])}`)
  }
  return ` JOIN ${type}_archives ON archiveinfo.id = ${type}_archives.archive_id`
}

/** getMavenArchive, getWinArchive, getImageArchive. */
export async function getTypedArchive(
  hub: HubSession,
  type: string,
  id: Value,
  strict = false,
): Promise<Struct | null> {
  const columns = ['archive_id', ...(typeColumns[type] ?? [])]
  const row = await hub.row(`SELECT ${columns.join(', ')} FROM ${type}_archives WHERE archive_id = $1`, [id])
  if (!row && strict) throw generic('query returned no rows')
  if (row && type === 'image') {
    row.rootid =
      (await hub.row('SELECT rpm_id FROM archive_rpm_components WHERE archive_id = $1', [id])) !== null
  }
  return row
}

/** getArchive: what listArchives says, and the columns of its type (get_archive). */
export async function getArchive(hub: HubSession, id: Value, strict: boolean): Promise<Value> {
  const found = (await listArchives(hub, { archiveID: id, type: null })) as Struct[]
  const [archive] = found
  if (!archive) {
    if (strict) throw generic(`No such archive: ${str(id)}`)
    return null
  }
  for (const type of Object.keys(typeColumns)) {
    const { archive_id: _, ...typed } = (await getTypedArchive(hub, type, id)) ?? {}
    Object.assign(archive, typed)
  }
  return archive
}
