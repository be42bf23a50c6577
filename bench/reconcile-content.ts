import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { openWorld } from '../test/sim/prod-world.ts'

/** How much of a Koji there is: the proportions of the rig's bulk seed. */
export interface Bulk {
  readonly builds: number
  readonly packages: number
  readonly tags: readonly string[]
  readonly rpms: number
}

const TAGS = 12
const RPMS_PER_BUILD = 8
const BUILDS_PER_PACKAGE = 10

/**
 * A Koji of that many COMPLETE builds with eight signed rpms each, ten builds a package, every build in two of twelve tags (which
 * inherit from the first). Every build, and every tagging, has an event of its own. `topdir`: the builds' directories are made, too.
 */
export async function makeBulk(
  databaseUrl: string,
  options: {
    readonly builds: number
    readonly topdir: string | null
    /** the checksums of each signed copy are cached, too, and all of it is a month old */
    readonly whole?: boolean
  },
): Promise<Bulk> {
  const { packages, tags } = bulkOf(options.builds)
  const world = await openWorld({ databaseUrl })
  const [first = ''] = tags
  for (const tag of tags)
    await world.addTag(tag, { arches: 'x86_64 aarch64', ...(tag === first ? {} : { parent: first }) })
  await world.close()
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('begin')
    for (const [text, values] of [
      [PACKAGES, [packages]],
      [BUILDS, [options.builds]],
      [TYPES, []],
      [RPMS, [RPMS_PER_BUILD]],
      [SIGNATURES, []],
      ...(options.whole === true ? ([[CHECKSUMS, []]] as const) : []),
      [LISTS, []],
      [OWNERS, []],
      [TAGGINGS, [TAGS]],
      ...(options.whole === true ? [[AGED_EVENTS, []] as const, [AGED_BUILDS, []] as const] : []),
    ] as const) {
      await client.query(text, [...values])
    }
    await client.query('commit')
    await client.query('analyze')
  } finally {
    await client.end()
  }
  if (options.topdir !== null) {
    for (let n = 0; n < options.builds; n += 1) {
      const [name, version] = [
        `bulk-pkg-${String(n % packages).padStart(5, '0')}`,
        String(Math.floor(n / packages) + 1),
      ]
      await mkdir(join(options.topdir, 'packages', name, version, '1.fc43'), { recursive: true })
    }
  }
  return bulkOf(options.builds)
}

/** What `makeBulk` makes of so many builds. */
export function bulkOf(builds: number): Bulk {
  const tags = Array.from({ length: TAGS }, (_, i) => `bulk-tag-${String(i).padStart(2, '0')}`)
  return { builds, packages: Math.ceil(builds / BUILDS_PER_PACKAGE), tags, rpms: builds * RPMS_PER_BUILD }
}

const ADMIN = `(select id from users where name = 'admin')`
const OURS = `p.name like 'bulk-pkg-%'`

const PACKAGES = `insert into package (name) select 'bulk-pkg-' || to_char(n, 'FM00000') from generate_series(0, $1::int - 1) n`
const BUILDS = `insert into build (volume_id, pkg_id, version, release, create_event, start_time, completion_time, state, owner, source)
  select 0, p.id, (n / x.packages + 1)::text, '1.fc43', get_event(), now() - make_interval(mins => $1::int - n),
         now() - make_interval(mins => $1::int - n) + interval '3 minutes', 1, ${ADMIN}, 'git+https://example.org/rpms/' || p.name || '#' || md5(n::text)
    from (select count(*)::int as packages from package p where ${OURS}) x, generate_series(0, $1::int - 1) n
    join package p on p.name = 'bulk-pkg-' || to_char(n % (select count(*)::int from package p where ${OURS}), 'FM00000')
   order by n`
const TYPES = `insert into build_types (build_id, btype_id) select b.id, (select id from btype where name = 'rpm')
    from build b join package p on p.id = b.pkg_id where ${OURS}`
const RPMS = `insert into rpminfo (build_id, name, version, release, arch, external_repo_id, payloadhash, size, buildtime, draft)
  select b.id, p.name || case n when 1 then '' else '-sub' || n end, b.version, b.release,
         case n when 1 then 'src' when 8 then 'noarch' else 'x86_64' end, 0, md5(b.id || ' ' || n), 1000 + n, 1700000000 + b.id, false
    from build b join package p on p.id = b.pkg_id, generate_series(1, $1::int) n where ${OURS}`
const SIGNATURES = `insert into rpmsigs (rpm_id, sigkey, sighash) select id, 'b01cbeef', md5('sig ' || id) from rpminfo where name like 'bulk-pkg-%'`
// kojihub's checksum types: md5 is 0, sha256 is 2; a checksum is unique.
const CHECKSUMS = `insert into rpm_checksum (rpm_id, sigkey, checksum, checksum_type)
  select s.rpm_id, s.sigkey, case t.type when 0 then md5('sum ' || s.rpm_id) else encode(sha256(('sum ' || s.rpm_id)::bytea), 'hex') end, t.type
    from rpmsigs s join rpminfo r on r.id = s.rpm_id, (values (0), (2)) t(type) where r.name like 'bulk-pkg-%'`
const LISTS = `insert into tag_packages (package_id, tag_id, blocked, create_event, creator_id)
  select p.id, t.id, false, get_event(), ${ADMIN} from package p, tag t where ${OURS} and t.name = 'bulk-tag-00'
  union all select p.id, t.id, false, get_event(), ${ADMIN} from package p, tag t where ${OURS} and t.name like 'bulk-tag-%' and t.name <> 'bulk-tag-00'`
const OWNERS = `insert into tag_package_owners (package_id, tag_id, owner, create_event, creator_id)
  select package_id, tag_id, ${ADMIN}, create_event, creator_id from tag_packages join package p on p.id = package_id where ${OURS}`
const TAGGINGS = `insert into tag_listing (build_id, tag_id, create_event, creator_id)
  select b.id, t.id, get_event(), ${ADMIN}
    from (select b.id, row_number() over (order by b.id) as n from build b join package p on p.id = b.pkg_id where ${OURS}) b
    join (select id, row_number() over (order by name) - 1 as n from tag where name like 'bulk-tag-%') t
      on t.n in (b.n % $1::int, (b.n * 7 + 5) % $1::int)
   order by b.id`
// An event every ten seconds, the last one a month ago.
const AGED_EVENTS = `update events set time = now() - interval '30 days' - ((select max(id) from events) - id) * interval '10 seconds'`
const AGED_BUILDS = `update build set start_time = start_time - interval '30 days', completion_time = completion_time - interval '30 days'`
