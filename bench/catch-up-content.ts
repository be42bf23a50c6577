import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'

/** A day's changes of a Koji that `makeBulk` made, in rows. */
export interface Day {
  readonly builds: number
  readonly rpms: number
  readonly firstBuild: number
  readonly firstRpm: number
  /** prod's last event before it */
  readonly event: number
  /** that event's time, seconds since 1970 */
  readonly completeAfter: number
}

/** In thousandths of all rows: 30 builds with type, 8 rpms and 8 signatures each, each in two tags; taggings revoked and made; owners and arches of package entries changed. */
const SHARE = { builds: 30, untagged: 200, tagged: 100, owners: 40, arches: 10 }

/** Makes them: `rows` rows come or are revoked, none of which any message tells. */
export async function makeDay(
  databaseUrl: string,
  { rows, topdir }: { readonly rows: number; readonly topdir: string },
): Promise<Day> {
  const count = (share: number): number => Math.round((rows * share) / 1_000)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows: before } = await client.query(
      `select max(id)::int as event, floor(extract(epoch from max(time)))::int as time, (select max(id)::int from build) as build,
              (select max(id)::int from rpminfo) as rpm from events`,
    )
    const first = { build: before[0].build + 1, rpm: before[0].rpm + 1 }
    await client.query('begin')
    for (const [text, values] of [
      [OTHER_USER, []],
      [BUILDS, [count(SHARE.builds)]],
      [TYPES, [first.build]],
      [RPMS, [first.build]],
      [SIGNATURES, [first.rpm]],
      [UNTAGGINGS, [count(SHARE.untagged)]],
      [TAGGINGS, [count(SHARE.tagged)]],
      [NEW_TAGGINGS, [first.build]],
      [OLD_OWNERS, [count(SHARE.owners)]],
      [NEW_OWNERS, []],
      [OLD_ENTRIES, [count(SHARE.arches)]],
      [NEW_ENTRIES, []],
    ] as const)
      await client.query(text, [...values])
    await client.query('commit')
    await client.query('vacuum analyze')
    const made = await client.query(
      'select p.name from build b join package p on p.id = b.pkg_id where b.id >= $1',
      [first.build],
    )
    for (const { name } of made.rows)
      await mkdir(join(topdir, 'packages', name, '900', '1.fc43'), { recursive: true })
    return {
      builds: count(SHARE.builds),
      rpms: count(SHARE.builds) * 8,
      firstBuild: first.build,
      firstRpm: first.rpm,
      event: before[0].event,
      completeAfter: before[0].time,
    }
  } finally {
    await client.end()
  }
}

const ADMIN = `(select id from users where name = 'admin')`
const OTHER = `(select id from users where name = 'other')`
const TAGS = `(select id, row_number() over (order by name) - 1 as n from tag where name like 'bulk-tag-%')`

const OTHER_USER = `insert into users (name, status, usertype) values ('other', 0, 0)`
const BUILDS = `insert into build (volume_id, pkg_id, version, release, create_event, start_time, completion_time, state, owner, source)
  select 0, p.id, '900', '1.fc43', get_event(), now() - interval '5 minutes', now(), 1, ${ADMIN}, 'git+https://example.org/rpms/' || p.name
    from package p where p.name like 'bulk-pkg-%' order by p.id limit $1`
const TYPES = `insert into build_types (build_id, btype_id) select id, (select id from btype where name = 'rpm') from build where id >= $1`
const RPMS = `insert into rpminfo (build_id, name, version, release, arch, external_repo_id, payloadhash, size, buildtime, draft)
  select b.id, p.name || case n when 1 then '' else '-sub' || n end, b.version, b.release,
         case n when 1 then 'src' when 8 then 'noarch' else 'x86_64' end, 0, md5(b.id || ' ' || n), 1000 + n, 1700000000 + b.id, false
    from build b join package p on p.id = b.pkg_id, generate_series(1, 8) n where b.id >= $1`
const SIGNATURES = `insert into rpmsigs (rpm_id, sigkey, sighash) select id, 'b01cbeef', md5('sig ' || id) from rpminfo where id >= $1`
const UNTAGGINGS = `update tag_listing l set active = null, revoke_event = get_event(), revoker_id = ${ADMIN}
  from (select build_id, tag_id from tag_listing where active order by md5(build_id || ' ' || tag_id) limit $1) x
 where l.build_id = x.build_id and l.tag_id = x.tag_id and l.active`
const TAGGINGS = `insert into tag_listing (build_id, tag_id, create_event, creator_id)
  select b.id, t.id, get_event(), ${ADMIN} from build b join ${TAGS} t on t.n = (b.id * 5 + 3) % 12
   where b.version <> '900' and not exists (select 1 from tag_listing l where l.build_id = b.id and l.tag_id = t.id)
   order by md5(b.id::text) limit $1`
const NEW_TAGGINGS = `insert into tag_listing (build_id, tag_id, create_event, creator_id)
  select b.id, t.id, get_event(), ${ADMIN} from build b join ${TAGS} t on t.n in (b.id % 12, (b.id + 7) % 12) where b.id >= $1 order by b.id`
const OLD_OWNERS = `update tag_package_owners o set active = null, revoke_event = get_event(), revoker_id = ${ADMIN}
  from (select package_id, tag_id from tag_package_owners where active order by md5(package_id || ' ' || tag_id) limit $1) x
 where o.package_id = x.package_id and o.tag_id = x.tag_id and o.active`
const NEW_OWNERS = `insert into tag_package_owners (package_id, tag_id, owner, create_event, creator_id)
  select package_id, tag_id, ${OTHER}, get_event(), ${ADMIN} from tag_package_owners where active is null`
const OLD_ENTRIES = `update tag_packages p set active = null, revoke_event = get_event(), revoker_id = ${ADMIN}
  from (select package_id, tag_id from tag_packages where active order by md5(tag_id || ' ' || package_id) limit $1) x
 where p.package_id = x.package_id and p.tag_id = x.tag_id and p.active`
const NEW_ENTRIES = `insert into tag_packages (package_id, tag_id, blocked, extra_arches, create_event, creator_id)
  select package_id, tag_id, false, 's390x', get_event(), ${ADMIN} from tag_packages where active is null`
