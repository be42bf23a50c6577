import { BUILD_STATE, type BuildState } from '../../model/records.ts'
import type { Catalog } from '../../staging/catalog.ts'
import type { Sql } from '../../staging/database.ts'
import { type Base, parseBase } from './base.ts'
import type { Row } from './tables.ts'

/** An rpm of staging that came from prod, with what is signed and summed of it. */
export interface StandingRpm {
  readonly id: number
  readonly prodId: number
  readonly name: string
  readonly version: string
  readonly release: string
  readonly arch: string
  readonly rpmsigs: readonly Row[]
  readonly rpm_checksum: readonly Row[]
}

/** A build that stands in staging as it was applied, with some of its rpms. */
export interface SignedBuild {
  /** staging's id */
  readonly id: number
  readonly base: Base
  readonly rpms: readonly StandingRpm[]
  /** signing keys ever seen from prod */
  readonly sigkeys: readonly string[]
  /** staging's ids of the tags that it is in */
  readonly tagIds: readonly number[]
  /** the database's clock, milliseconds since 1970 */
  readonly nowMs: number
}

/**
 * Reads a build of prod's with the rpms of these names, in one statement; null unless it stands as it was applied, with its files
 * placed, nothing in dispute, and all of these rpms are prod's.
 */
export async function readSigned(
  sql: Sql,
  catalog: Catalog,
  buildId: number,
  nvras: readonly string[],
): Promise<SignedBuild | null> {
  const text = catalog.has('rpm_checksum') ? WITH_CHECKSUMS : WITHOUT_CHECKSUMS
  const [row] = await sql.query<{ signed: string | null }>(text.name, text.sql, [buildId, nvras], {
    early: true,
  })
  if (row?.signed == null) return null
  const { digest, ...read } = JSON.parse(row.signed) as Omit<SignedBuild, 'base'> & {
    readonly digest: string | null
    readonly state: BuildState
    readonly createEvent: number
    readonly disputed: boolean
    readonly places: readonly { readonly mode: string; readonly state: string }[]
  }
  const base = parseBase(digest)
  const [place, ...others] = read.places
  const found = new Set(read.rpms.map((rpm) => `${rpm.name}-${rpm.version}-${rpm.release}.${rpm.arch}`))
  const stands =
    base?.event === read.createEvent &&
    read.state === BUILD_STATE.complete &&
    !read.disputed &&
    // Other placements bring files of their own for a signature.
    place?.mode === 'volume' &&
    place.state === 'placed' &&
    others.length === 0 &&
    nvras.every((nvra) => found.has(nvra))
  return stands ? { ...read, base } : null
}

const textOf = (checksums: string): string => `
  select json_build_object(
    'id', b.id, 'digest', o.digest, 'state', b.state, 'createEvent', b.create_event,
    'disputed', exists (select 1 from staging_sync.clash where key = 'build/' || $1::bigint and resolved_at is null),
    'places', (select coalesce(json_agg(json_build_object('mode', mode, 'state', state)), '[]')
                 from staging_sync.placement where prod_build_id = $1::bigint),
    'sigkeys', (select coalesce(json_agg(sigkey), '[]') from staging_sync.sigkey),
    'tagIds', (select coalesce(json_agg(tag_id), '[]') from tag_listing where build_id = b.id and active),
    'nowMs', extract(epoch from clock_timestamp())::float8 * 1000,
    'rpms', (select coalesce(json_agg(json_build_object(
        'id', r.id, 'prodId', p.prod_id, 'name', r.name, 'version', r.version, 'release', r.release, 'arch', r.arch,
        'rpmsigs', (select coalesce(json_agg(json_build_object('rpm_id', rpm_id, 'sigkey', sigkey, 'sighash', sighash)), '[]')
                      from rpmsigs where rpm_id = r.id),
        'rpm_checksum', ${checksums}) order by r.id), '[]')
      from rpminfo r join staging_sync.owned p on p.kind = 'rpm' and p.staging_id = r.id
     where r.build_id = b.id and r.name || '-' || r.version || '-' || r.release || '.' || r.arch = any($2::text[]))
  )::text as signed
    from staging_sync.owned o join build b on b.id = o.staging_id
   where o.kind = 'build' and o.prod_id = $1::bigint`

const WITH_CHECKSUMS = {
  name: 'build.signed',
  sql: textOf(`(select coalesce(json_agg(json_build_object('rpm_id', rpm_id, 'sigkey', sigkey,
          'checksum_type', checksum_type, 'checksum', checksum)), '[]') from rpm_checksum where rpm_id = r.id)`),
}
const WITHOUT_CHECKSUMS = { name: 'build.signed.no-checksums', sql: textOf(`'[]'::json`) }
