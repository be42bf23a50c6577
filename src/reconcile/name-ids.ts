import type { ProdBuild } from '../converge/build/observe.ts'
import type { NameRefs } from '../converge/build/refs.ts'
import type { Sql } from '../staging/database.ts'
import { NAME_TABLES, type NameKind } from '../staging/name-kinds.ts'

/** No row of Koji's has it: what points to a name that staging lacks differs. */
const NONE = -1

/** Names that a build's rows point to. */
export interface FoundNames {
  readonly refs: NameRefs
  /** renamed in prod since we gave staging the name that it still has: `user alice` */
  readonly renamed: readonly string[]
}

interface Item {
  readonly kind: NameKind
  readonly prodId: number | null
  readonly name: string
}

/**
 * Staging's ids of the names that a build's rows point to, in one statement: those that `ensureNameRefs` (converge/build/refs.ts) would
 * settle on, but nothing is made.
 */
export async function findNameRefs(sql: Sql, prod: ProdBuild, stagingVolume: string): Promise<FoundNames> {
  const { build, archives, types } = prod
  const btypeIds = new Map(archives.map(({ archive }) => [archive.btype, archive.btypeId]))
  const btypes = [...new Set([...types.keys(), ...btypeIds.keys()])]
  const archiveTypes = new Map(archives.map(({ archive }) => [archive.typeName, archive.typeId]))
  const items: Item[] = [
    { kind: 'package', prodId: build.packageId, name: build.packageName },
    { kind: 'volume', prodId: null, name: stagingVolume },
    { kind: 'user', prodId: build.ownerId, name: build.ownerName },
    ...btypes.map((name): Item => ({ kind: 'btype', prodId: btypeIds.get(name) ?? null, name })),
    ...[...archiveTypes].map(([name, prodId]): Item => ({ kind: 'archivetype', prodId, name })),
  ]
  if (build.promoterId !== null && build.promoterName !== null)
    items.push({ kind: 'user', prodId: build.promoterId, name: build.promoterName })
  if (build.cgName !== null) items.push({ kind: 'content_generator', prodId: build.cgId, name: build.cgName })
  const rows = await sql.query<{ id: number | null; renamed: boolean }>('reconcile.name-refs', FIND, [
    items.map(({ kind }) => kind),
    items.map(({ kind, prodId }) => (NAME_TABLES[kind].byId ? prodId : null)),
    items.map(({ name }) => name),
  ])
  const ids = new Map(items.map(({ kind, name }, i) => [`${kind} ${name}`, rows[i]?.id ?? NONE]))
  const idOf = (kind: NameKind, name: string | null): number => ids.get(`${kind} ${name}`) ?? NONE
  return {
    refs: {
      packageId: idOf('package', build.packageName),
      volumeId: idOf('volume', stagingVolume),
      users: new Map(
        items.flatMap(({ kind, prodId, name }): [number, number][] =>
          kind === 'user' && prodId !== null ? [[prodId, idOf(kind, name)]] : [],
        ),
      ),
      cgId: build.cgName === null ? null : idOf('content_generator', build.cgName),
      btypes: new Map(btypes.map((name) => [name, idOf('btype', name)])),
      archiveTypes: new Map([...archiveTypes.keys()].map((name) => [name, idOf('archivetype', name)])),
    },
    renamed: items.filter((_item, i) => rows[i]?.renamed === true).map(({ kind, name }) => `${kind} ${name}`),
  }
}

const KINDS = (['package', 'volume', 'user', 'btype', 'archivetype', 'content_generator'] as const).map(
  (kind) => ({ kind, table: NAME_TABLES[kind].table }),
)
const branches = (text: (table: string) => string): string =>
  `case r.kind ${KINDS.map(({ kind, table }) => `when '${kind}' then (${text(table)})`).join(' ')} end`

const FIND = `
  select coalesce(own.id, named.id) as id, coalesce(own.name <> r.name and own.name = o.digest, false) as renamed
    from unnest($1::text[], $2::bigint[], $3::text[]) with ordinality as r(kind, prod_id, name, at)
    left join staging_sync.owned o on o.kind = r.kind and o.prod_id = r.prod_id
    left join lateral (select o.staging_id as id, ${branches((table) => `select t.name from ${table} t where t.id = o.staging_id`)} as name) own
      on own.name is not null
    left join lateral (select ${branches((table) => `select t.id from ${table} t where t.name = r.name`)} as id) named on true
   order by r.at`
