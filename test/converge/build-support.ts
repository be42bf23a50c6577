import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Deps } from '../../src/converge/deps.ts'
import { formatKey, parseTypedKey } from '../../src/model/key.ts'
import type { ProdWorld } from '../sim/prod-world.ts'
import type { Ended, TestSync } from './support.ts'

type Snapshot = Record<string, unknown>

const time = (column: string): string =>
  `to_char(${column}::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`

/** Everything about a build by names instead of ids, so that two Kojis can be compared. Shares nothing with src. */
export async function snapshotBuild(world: ProdWorld, nvr: string): Promise<Snapshot | null> {
  const [build] = await world.rows(
    `select b.id from build b join package p on p.id = b.pkg_id where p.name || '-' || b.version || '-' || b.release = $1`,
    [nvr],
  )
  if (build === undefined) return null
  const many = (sql: string): Promise<Record<string, unknown>[]> => world.rows(sql, [build.id])
  const rpms = '(select id from rpminfo where build_id = $1)'
  const archives = '(select id from archiveinfo where build_id = $1)'
  const nvra = (alias: string): string =>
    `${alias}.name || '-' || ${alias}.version || '-' || ${alias}.release || '.' || ${alias}.arch`
  const hasChecksums = (await world.rows(`select to_regclass('rpm_checksum') as name`))[0]?.name != null
  return {
    build: await many(
      `select p.name, b.version, b.release, b.epoch, b.source, b.state, b.task_id, u.name as owner, c.name as cg, b.extra,
              ${time('b.start_time')} as started, ${time('b.completion_time')} as completed, ${time('e.time')} as created,
              coalesce(to_jsonb(b) ->> 'draft', 'false') as draft,
              (select name from users where id = (to_jsonb(b) ->> 'promoter')::int) as promoter,
              ${time(`(to_jsonb(b) ->> 'promotion_time')`)} as promoted
         from build b join package p on p.id = b.pkg_id join users u on u.id = b.owner join events e on e.id = b.create_event
         left join content_generator c on c.id = b.cg_id where b.id = $1`,
    ),
    types: await many(
      'select t.name from build_types x join btype t on t.id = x.btype_id where x.build_id = $1 order by 1',
    ),
    maven: await many('select group_id, artifact_id, version from maven_builds where build_id = $1'),
    win: await many('select platform from win_builds where build_id = $1'),
    image: await many('select 1 as image from image_builds where build_id = $1'),
    rpms: await many(
      `select ${nvra('r')} as rpm, r.epoch, r.payloadhash, r.size, r.buildtime, r.metadata_only, r.extra, r.buildroot_id,
              r.external_repo_id, coalesce(to_jsonb(r) ->> 'draft', 'false') as draft
         from rpminfo r where r.build_id = $1 order by 1`,
    ),
    sigs: await many(
      `select ${nvra('r')} as rpm, s.sigkey, s.sighash from rpmsigs s join rpminfo r on r.id = s.rpm_id
        where r.build_id = $1 order by 1, 2`,
    ),
    checksums: hasChecksums
      ? await many(
          `select ${nvra('r')} as rpm, s.sigkey, s.checksum_type, s.checksum from rpm_checksum s join rpminfo r on r.id = s.rpm_id
            where s.rpm_id in ${rpms} order by 1, 2, 3`,
        )
      : [],
    archives: await many(
      `select a.filename, t.name as type, b.name as btype, a.size, a.checksum, a.checksum_type, a.metadata_only, a.extra,
              a.buildroot_id, row_to_json(m)::jsonb - 'archive_id' as maven, row_to_json(w)::jsonb - 'archive_id' as win,
              row_to_json(i)::jsonb - 'archive_id' as image
         from archiveinfo a join archivetypes t on t.id = a.type_id join btype b on b.id = a.btype_id
         left join maven_archives m on m.archive_id = a.id left join win_archives w on w.archive_id = a.id
         left join image_archives i on i.archive_id = a.id
        where a.build_id = $1 order by a.filename, a.checksum`,
    ),
    parts: await many(
      `select a.filename, ${nvra('r')} as rpm, (select name from external_repo where id = r.external_repo_id) as repo
         from archive_rpm_components c join archiveinfo a on a.id = c.archive_id join rpminfo r on r.id = c.rpm_id
        where c.archive_id in ${archives} order by 1, 2`,
    ),
    archiveParts: await many(
      `select a.filename, p.filename as part, p.checksum from archive_components c join archiveinfo a on a.id = c.archive_id
         join archiveinfo p on p.id = c.component_id where c.archive_id in ${archives} order by 1, 2`,
    ),
  }
}

/** Staging's build of that NVR is prod's in every table. JSON texts are compared by meaning elsewhere, here as Python writes them. */
export async function expectSame(sync: TestSync, ...nvrs: string[]): Promise<void> {
  for (const nvr of nvrs) {
    const prod = await snapshotBuild(sync.prod, nvr)
    expect(prod, nvr).not.toBeNull()
    expect(meaning(await snapshotBuild(sync.local, nvr)), nvr).toEqual(meaning(prod))
  }
}

function meaning(snapshot: Snapshot | null): unknown {
  const parsed = (row: Record<string, unknown>): Record<string, unknown> => ({
    ...row,
    ...('extra' in row ? { extra: row.extra === null ? null : JSON.parse(String(row.extra)) } : {}),
    ...('task_id' in row ? { task_id: null } : {}),
  })
  return (
    snapshot &&
    Object.fromEntries(
      Object.entries(snapshot).map(([name, rows]) => [name, (rows as Record<string, unknown>[]).map(parsed)]),
    )
  )
}

/** Converges a build as a sweep does, without the looks that follow a live import by hand. Outcomes by key. */
export async function sweep(
  sync: TestSync,
  builds: readonly (number | string)[],
  change: Partial<Deps> = {},
): Promise<Map<string, Ended>> {
  const keys = builds.map((build) => parseTypedKey(typeof build === 'number' ? `build/${build}` : build))
  await sync.queue.mark(keys.map((key) => ({ key, priority: 'sweep' as const })))
  return sync.drain(change)
}

export async function sweepOne(sync: TestSync, build: number, change: Partial<Deps> = {}): Promise<Ended> {
  const ended = (await sweep(sync, [build], change)).get(formatKey({ kind: 'build', buildId: build }))
  if (ended === undefined) throw new Error(`build/${build} never ended`)
  return ended
}

/** Staging's row of a build of prod. */
export async function stagingRow(sync: TestSync, nvr: string): Promise<Record<string, unknown> | undefined> {
  const [row] = await sync.local.rows(
    `select b.*, v.name as volume from build b join package p on p.id = b.pkg_id join volume v on v.id = b.volume_id
      where p.name || '-' || b.version || '-' || b.release = $1`,
    [nvr],
  )
  return row
}

/** Every link and directory below staging's tree, links with their text. */
export async function stagingTree(sync: TestSync): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const walk = async (path: string, shown: string): Promise<void> => {
    for (const name of (await readdir(path)).sort()) {
      const stat = await lstat(join(path, name))
      const at = `${shown}${name}`
      if (stat.isSymbolicLink())
        found[at] = (await readlink(join(path, name))).replace(sync.prodTopdir, 'PROD')
      else if (stat.isDirectory()) await walk(join(path, name), `${at}/`)
      else found[at] = 'a file'
    }
  }
  await walk(sync.stagingTopdir, '')
  return found
}

/** Records of where files stand: volume, release, state. */
export async function placements(sync: TestSync, buildId: number): Promise<string[]> {
  const rows = await sync.local.rows(
    `select staging_volume || ' ' || release || ' ' || state as place from staging_sync.placement
      where prod_build_id = $1 order by 1`,
    [buildId],
  )
  return rows.map((row) => String(row.place))
}
