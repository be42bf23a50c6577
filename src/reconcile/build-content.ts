import { createHash } from 'node:crypto'
import type { Deps } from '../converge/deps.ts'
import { listArchives } from '../hub/calls-content.ts'
import type { ReadOptions } from '../hub/hub.ts'
import type { Archive } from '../model/records.ts'
import type { Sql } from '../staging/database.ts'
import { nvrOf } from './build-rows.ts'
import type { Found } from './found.ts'
import type { ProdRpm, ProdRpms } from './prod-rpms.ts'
import { type NamedBuild, readStagingBuilds } from './staging-builds.ts'

/**
 * Builds that staging lacks, and of those that both sides have: rpms with payload and signing keys, and archives. Prod's as few
 * answers as possible told them, staging's a set at a time. Not compared here: the hash of a signature, checksums, the parts of
 * archives, the rest of an rpm's row. The scrub reads those.
 */
export async function compareContent(
  deps: Deps,
  builds: readonly NamedBuild[],
  prod: ProdRpms,
  options: ReadOptions,
): Promise<Found[]> {
  const { database, owner } = deps
  const standing = await readStagingBuilds(database, owner, builds)
  // A build that staging has not whole is a difference of its row.
  const both = builds.filter(({ id }) => standing.get(id)?.state === 1)
  const ids = new Map(both.map(({ id }) => [standing.get(id)?.stagingId as number, id]))
  const digests = await readRpmDigests(database, [...ids.keys()], owner.seedEvent)
  // Nearly all are equal: only of the others each row is worth being read.
  const unequal = new Set(
    [...ids]
      .filter(([stagingId, id]) => digests.get(stagingId) !== rpmDigest(prod.get(id)))
      .map(([stagingId]) => stagingId),
  )
  const rpms =
    unequal.size === 0
      ? new Map<number, StagingRpm[]>()
      : await readRpms(database, [...unequal], owner.seedEvent)
  const archives = await readArchives(database, [...ids.keys()], owner.seedEvent)
  const sigkeys = new Set(
    (
      await database.query<{ sigkey: string }>('reconcile.sigkeys', 'select sigkey from staging_sync.sigkey')
    ).map(({ sigkey }) => sigkey),
  )
  const found = builds.filter(({ id }) => !standing.has(id)).map(missingBuild)
  for (const build of both) {
    const stagingId = standing.get(build.id)?.stagingId as number
    if (!unequal.has(stagingId)) continue
    found.push(...compareRpms(build, prod.get(build.id) ?? new Map(), rpms.get(stagingId) ?? [], sigkeys))
  }
  // Most builds have none on either side, and those have rpms.
  const asked = both.filter(({ id }) => {
    const stagingId = standing.get(id)?.stagingId as number
    return (prod.get(id)?.size ?? 0) === 0 || archives.has(stagingId)
  })
  const answers = await deps.hub.read(
    asked.map(({ id }) => listArchives({ buildId: id })),
    options,
  )
  asked.forEach((build, i) => {
    const stagingId = standing.get(build.id)?.stagingId as number
    found.push(...compareArchives(build, answers[i] ?? [], archives.get(stagingId) ?? []))
  })
  return found
}

/** All that is compared of a build's rpms in one text; undefined: it has none. Staging's is made by `readRpmDigests`. */
function rpmDigest(rpms: ReadonlyMap<number, ProdRpm> | undefined): string | undefined {
  if (rpms === undefined || rpms.size === 0) return undefined
  const rows = [...rpms].sort(([a], [b]) => a - b)
  const lines = rows.map(([id, { nvra, payloadhash, sigkeys }]) => {
    const keys = [...sigkeys].sort().map((key) => `,${key}`)
    return `${id} ${nvra} ${payloadhash} ${keys.join('')}`
  })
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

function missingBuild(build: NamedBuild): Found {
  const key = { kind: 'build', buildId: build.id } as const
  return {
    key,
    kind: 'build',
    subject: nvrOf(build),
    tag: null,
    prod: nvrOf(build),
    staging: null,
    state: 'open',
  }
}

interface StagingRpm {
  readonly buildId: number
  readonly prodId: number
  readonly nvra: string
  readonly payloadhash: string
  readonly sigkeys: readonly string[]
}

function compareRpms(
  build: NamedBuild,
  prod: ReadonlyMap<number, ProdRpm>,
  staging: readonly StagingRpm[],
  knownKeys: ReadonlySet<string>,
): Found[] {
  const present = new Map(staging.map((rpm) => [rpm.prodId, rpm]))
  const lacking = [...prod].filter(
    ([id, rpm]) => present.get(id)?.payloadhash !== rpm.payloadhash || present.get(id)?.nvra !== rpm.nvra,
  )
  const extra = staging.filter((rpm) => !prod.has(rpm.prodId))
  const unsigned: string[] = []
  const oversigned: string[] = []
  const prodKeys = new Set([...prod.values()].flatMap(({ sigkeys }) => [...sigkeys]))
  for (const [id, rpm] of prod) {
    const here = new Set(present.get(id)?.sigkeys)
    if (!present.has(id)) continue
    for (const key of rpm.sigkeys) if (!here.has(key)) unsigned.push(`${rpm.nvra} ${key || '(unsigned)'}`)
    for (const key of here) {
      // Keys never seen from prod are staging's own.
      const isProds = knownKeys.has(key) || prodKeys.has(key)
      if (isProds && !rpm.sigkeys.includes(key)) oversigned.push(`${rpm.nvra} ${key || '(unsigned)'}`)
    }
  }
  return [
    ...difference(
      build,
      'rpms',
      lacking.map(([, { nvra }]) => nvra),
      extra.map(({ nvra }) => nvra),
    ),
    ...difference(build, 'signatures', unsigned, oversigned),
  ]
}

function compareArchives(
  build: NamedBuild,
  prod: readonly Archive[],
  staging: readonly StagingArchive[],
): Found[] {
  const wanted = new Map(prod.map((archive) => [archive.id, archive]))
  const present = new Map(staging.map((archive) => [archive.prodId, archive]))
  const lacking = prod.filter(({ id, filename, checksum }) => {
    const here = present.get(id)
    return here?.filename !== filename || here.checksum !== checksum
  })
  const extra = staging.filter(({ prodId }) => !wanted.has(prodId))
  return difference(
    build,
    'archives',
    lacking.map(({ filename }) => filename),
    extra.map(({ filename }) => filename),
  )
}

/** What only one side has. */
function difference(
  build: NamedBuild,
  kind: Found['kind'],
  prod: readonly string[],
  staging: readonly string[],
): Found[] {
  if (prod.length + staging.length === 0) return []
  return [
    {
      key: { kind: 'build', buildId: build.id },
      kind,
      subject: nvrOf(build),
      tag: null,
      prod: [...prod].sort(),
      staging: [...staging].sort(),
      state: 'open',
    },
  ]
}

interface StagingArchive {
  readonly buildId: number
  readonly prodId: number
  readonly filename: string
  readonly checksum: string
}

/**
 * Of those that came from prod. Planned each time, as all reads of sets here: a plan that is kept would be that of an empty staging, where a
 * snapshot began.
 */
async function readRpms(
  sql: Sql,
  ids: readonly number[],
  seedEvent: number | null,
): Promise<Map<number, StagingRpm[]>> {
  const rows = await sql.query<StagingRpm>(
    'reconcile.rpms',
    `select r.build_id as "buildId", coalesce(o.prod_id, r.id) as "prodId", r.payloadhash,
            r.name || '-' || r.version || '-' || r.release || '.' || r.arch as nvra,
            coalesce((select array_agg(s.sigkey order by s.sigkey) from rpmsigs s where s.rpm_id = r.id), '{}') as sigkeys
       from rpminfo r join build b on b.id = r.build_id
       left join staging_sync.owned o on o.kind = 'rpm' and o.staging_id = r.id
      where r.build_id = any($1::int[]) and (o.prod_id is not null or b.create_event <= $2::int)`,
    [ids, seedEvent],
    { prepare: false },
  )
  return byBuild(rows)
}

async function readRpmDigests(
  sql: Sql,
  ids: readonly number[],
  seedEvent: number | null,
): Promise<Map<number, string>> {
  const rows = await sql.query<{ buildId: number; digest: string }>(
    'reconcile.rpm-digests',
    `select r.build_id as "buildId", encode(sha256(convert_to(string_agg(coalesce(o.prod_id, r.id) || ' ' || r.name || '-' || r.version || '-' ||
              r.release || '.' || r.arch || ' ' || r.payloadhash || ' ' || coalesce(k.keys, ''), E'\\n' order by coalesce(o.prod_id, r.id)),
              'UTF8')), 'hex') as digest
       from rpminfo r join build b on b.id = r.build_id
       left join staging_sync.owned o on o.kind = 'rpm' and o.staging_id = r.id
       left join lateral (select string_agg(',' || s.sigkey, '' order by s.sigkey collate "C") as keys from rpmsigs s where s.rpm_id = r.id) k on true
      where r.build_id = any($1::int[]) and (o.prod_id is not null or b.create_event <= $2::int)
      group by r.build_id`,
    [ids, seedEvent],
    { prepare: false },
  )
  return new Map(rows.map(({ buildId, digest }) => [buildId, digest]))
}

async function readArchives(
  sql: Sql,
  ids: readonly number[],
  seedEvent: number | null,
): Promise<Map<number, StagingArchive[]>> {
  const rows = await sql.query<StagingArchive>(
    'reconcile.archives',
    `select a.build_id as "buildId", coalesce(o.prod_id, a.id) as "prodId", a.filename, a.checksum
       from archiveinfo a join build b on b.id = a.build_id
       left join staging_sync.owned o on o.kind = 'archive' and o.staging_id = a.id
      where a.build_id = any($1::int[]) and (o.prod_id is not null or b.create_event <= $2::int)`,
    [ids, seedEvent],
    { prepare: false },
  )
  return byBuild(rows)
}

function byBuild<R extends { readonly buildId: number }>(rows: readonly R[]): Map<number, R[]> {
  const map = new Map<number, R[]>()
  for (const row of rows) {
    const of = map.get(row.buildId)
    if (of === undefined) map.set(row.buildId, [row])
    else of.push(row)
  }
  return map
}
