import { formatKey, type Key } from '../../model/key.ts'
import type { Priority } from '../../model/outcome.ts'
import type { Archive, Rpm } from '../../model/records.ts'
import type { Catalog } from '../../staging/catalog.ts'
import type { Sql } from '../../staging/database.ts'
import type { NamedItem, NameKind } from '../../staging/name-kinds.ts'
import type { NameUse } from '../../staging/names.ts'
import { findOwned } from '../../staging/owned.ts'
import type { Deps, Owner } from '../deps.ts'
import { ensureUsers } from '../users.ts'
import type { ProdBuild } from './observe.ts'

/** Staging's ids of the names that a build's rows point to. */
export interface NameRefs {
  readonly packageId: number
  readonly volumeId: number
  readonly users: ReadonlyMap<number, number>
  readonly cgId: number | null
  readonly btypes: ReadonlyMap<string, number>
  readonly archiveTypes: ReadonlyMap<string, number>
}

/** Makes what staging lacks of them, each kind in its own short transaction, before the build's own. */
export async function ensureNameRefs(
  deps: Deps,
  prod: ProdBuild,
  stagingVolume: string,
  priority: Priority,
): Promise<NameRefs> {
  const { build, archives } = prod
  const { names } = deps
  const btypeNames = new Set([...prod.types.keys(), ...archives.map(({ archive }) => archive.btype)])
  const btypeIds = new Map(archives.map(({ archive }) => [archive.btype, archive.btypeId]))
  const archiveTypes = new Map(archives.map(({ archive }) => [archive.typeName, archive]))
  const people = [
    { id: build.ownerId, name: build.ownerName },
    ...(build.promoterId === null || build.promoterName === null
      ? []
      : [{ id: build.promoterId, name: build.promoterName }]),
  ]
  const packages = await names.ensure('package', [{ prodId: build.packageId, name: build.packageName }])
  const volumes = await names.ensure('volume', [{ prodId: null, name: stagingVolume }])
  const users = await ensureUsers(deps, people, priority)
  const cgs =
    build.cgName === null
      ? new Map<string, number>()
      : await names.ensure('content_generator', [{ prodId: build.cgId, name: build.cgName }])
  const btypes = await names.ensure(
    'btype',
    [...btypeNames].sort().map((name) => ({ prodId: btypeIds.get(name) ?? null, name }) satisfies NamedItem),
  )
  const types = await names.ensure(
    'archivetype',
    [...archiveTypes.values()].map((archive) => archiveTypeItem(deps.catalog, archive)),
  )
  return {
    packageId: packages.get(build.packageName) as number,
    volumeId: volumes.get(stagingVolume) as number,
    users,
    cgId: build.cgName === null ? null : (cgs.get(build.cgName) ?? null),
    btypes,
    archiveTypes: types,
  }
}

/** All names that a build's rows point to, for the transaction that writes them. */
export function namesUsed({ build }: ProdBuild, names: NameRefs, stagingVolume: string): NameUse[] {
  const uses: NameUse[] = [
    { kind: 'package', name: build.packageName, id: names.packageId },
    { kind: 'volume', name: stagingVolume, id: names.volumeId },
  ]
  const add = (kind: NameKind, name: string | null, id: number | null | undefined): void => {
    if (name !== null && id != null) uses.push({ kind, name, id })
  }
  add('user', build.ownerName, names.users.get(build.ownerId))
  if (build.promoterId !== null) add('user', build.promoterName, names.users.get(build.promoterId))
  add('content_generator', build.cgName, names.cgId)
  for (const [name, id] of names.btypes) add('btype', name, id)
  for (const [name, id] of names.archiveTypes) add('archivetype', name, id)
  return uses
}

/** Schemas differ in whether a type knows its compression (schema-upgrade-1.29-1.30.sql); one that is none needs no column. */
function archiveTypeItem(catalog: Catalog, archive: Archive): NamedItem {
  const compression = archive.typeCompression
  const isKept = compression !== null || catalog.has('archivetypes', 'compression_type')
  return {
    prodId: archive.typeId,
    name: archive.typeName,
    columns: {
      description: archive.typeDescription,
      extensions: archive.typeExtensions,
      ...(isKept ? { compression_type: compression } : {}),
    },
  }
}

/** What an archive of the build contains that is not the build's own. */
export interface PartRefs {
  /** by prod's id; what staging lacks is absent */
  readonly rpms: ReadonlyMap<number, number>
  readonly archives: ReadonlyMap<number, number>
  readonly externalRpms: readonly Rpm[]
  /** keys that would bring what is absent */
  readonly missing: readonly Key[]
}

/** Finds in staging the rpms and archives of other builds that this one's archives contain, and external rpms. */
export async function findPartRefs(sql: Sql, owner: Owner, prod: ProdBuild): Promise<PartRefs> {
  const own = prod.build.id
  const rpmParts = prod.archives.flatMap(({ rpms }) => rpms).filter((rpm) => rpm.buildId !== own)
  const archiveParts = prod.archives
    .flatMap(({ archives }) => archives)
    .filter((part) => part.buildId !== own)
  const external = rpmParts.filter((rpm) => rpm.buildId === null)
  const internal = rpmParts.filter((rpm) => rpm.buildId !== null)

  const rpms = await findParts(
    sql,
    owner,
    'rpm',
    internal.map((rpm) => rpm.id),
  )
  const archives = await findParts(
    sql,
    owner,
    'archive',
    archiveParts.map((part) => part.id),
  )
  for (const [prodId, row] of await findOwned(
    sql,
    'external_rpm',
    external.map((rpm) => rpm.id),
  )) {
    rpms.set(prodId, row.stagingId)
  }
  const missing = new Map<string, Key>()
  const need = (key: Key): Map<string, Key> => missing.set(formatKey(key), key)
  for (const rpm of internal) if (!rpms.has(rpm.id)) need({ kind: 'build', buildId: rpm.buildId as number })
  for (const part of archiveParts) if (!archives.has(part.id)) need({ kind: 'build', buildId: part.buildId })
  const repos = new Set(external.filter((rpm) => !rpms.has(rpm.id)).map((rpm) => rpm.externalRepoId))
  const knownRepos = await findOwned(sql, 'external_repo', [...repos])
  for (const repoId of repos) if (!knownRepos.has(repoId)) need({ kind: 'external-repo', repoId })
  return {
    rpms,
    archives,
    externalRpms: external.filter((rpm) => !rpms.has(rpm.id)),
    missing: [...missing.values()],
  }
}

/** By record, as long as the row stands, or with the same id in a build that was copied with the seed. */
async function findParts(
  sql: Sql,
  owner: Owner,
  kind: 'rpm' | 'archive',
  prodIds: readonly number[],
): Promise<Map<number, number>> {
  if (prodIds.length === 0) return new Map()
  const table = kind === 'rpm' ? 'rpminfo' : 'archiveinfo'
  const rows = await sql.query<{ prod_id: number; id: number }>(
    `build.parts-${kind}`,
    `select o.prod_id, p.id from staging_sync.owned o join ${table} p on p.id = o.staging_id
      where o.kind = '${kind}' and o.prod_id = any($1::bigint[])
     union all
     select p.id, p.id from ${table} p join build b on b.id = p.build_id
      where p.id = any($1::bigint[]) and b.create_event <= $2
        and not exists (select 1 from staging_sync.owned o join ${table} x on x.id = o.staging_id
                         where o.kind = '${kind}' and o.prod_id = p.id)`,
    [prodIds, owner.seedEvent ?? -1],
  )
  return new Map(rows.map((row) => [row.prod_id, row.id]))
}
