import pg from 'pg'
import { openWorld } from '../test/sim/prod-world.ts'

/** What both sides have when a measurement begins. Made anew by each run, under names of its own. */
export interface Content {
  /** Prefix of the names, other for each run: a real hub's database keeps them. */
  readonly prefix: string
  /** Tag with every package listed and nothing tagged. */
  readonly burstTagId: number
  /** Tag in which each package has its first two builds. */
  readonly liveTagId: number
  readonly packages: readonly ContentPackage[]
}

export interface ContentPackage {
  readonly id: number
  readonly name: string
  /** Oldest first. They have no rpms and no files. */
  readonly buildIds: readonly number[]
}

const BUILDS_PER_PACKAGE = 10

/** Makes packages with ten builds each, and two tags that list them all; connects, commits, disconnects. */
export async function makeContent(databaseUrl: string, options: { packages: number }): Promise<Content> {
  const prefix = `bench-${Date.now().toString(36)}`
  const [burstTag, liveTag] = [`${prefix}-burst`, `${prefix}-live`]
  const world = await openWorld({ databaseUrl })
  const burstTagId = await world.addTag(burstTag, { arches: 'x86_64 aarch64' })
  const liveTagId = await world.addTag(liveTag, { arches: 'x86_64 aarch64' })
  await world.close()
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await client.query('begin')
    await client.query(
      `insert into package (name) select $1 || '-' || to_char(n, 'FM00000') from generate_series(1, $2::int) n`,
      [prefix, options.packages],
    )
    for (const sql of [BUILDS, TYPES, LISTS, OWNERS, TAGGINGS]) {
      await client.query(sql.replaceAll('$1', pg.escapeLiteral(`${prefix}-%`)))
    }
    await client.query('commit')
    await client.query('analyze')
    const { rows } = await client.query<{ id: number; name: string; builds: number[] }>(
      `select p.id, p.name, array_agg(b.id order by b.id) as builds
         from package p join build b on b.pkg_id = p.id where p.name like $1 group by p.id order by p.id`,
      [`${prefix}-%`],
    )
    const packages = rows.map(({ id, name, builds }) => ({ id, name, buildIds: builds }))
    return { prefix, burstTagId, liveTagId, packages }
  } finally {
    await client.end()
  }
}

const ADMIN = `(select id from users where name = 'admin')`

const BUILDS = `insert into build (volume_id, pkg_id, version, release, create_event, start_time, completion_time, state, owner)
  select 0, p.id, v::text, '1', get_event(), now(), now(), 1, ${ADMIN}
    from generate_series(1, ${BUILDS_PER_PACKAGE}) v, package p where p.name like $1`
const TYPES = `insert into build_types (build_id, btype_id)
  select b.id, (select id from btype where name = 'rpm')
    from build b join package p on p.id = b.pkg_id where p.name like $1`
const LISTS = `insert into tag_packages (package_id, tag_id, blocked, extra_arches, create_event, creator_id)
  select p.id, t.id, false, null, e.id, ${ADMIN}
    from package p, tag t, (select get_event() as id) e where p.name like $1 and t.name like $1`
const OWNERS = `insert into tag_package_owners (package_id, tag_id, owner, create_event, creator_id)
  select package_id, tag_id, ${ADMIN}, create_event, creator_id
    from tag_packages join tag t on t.id = tag_id where t.name like $1`
const TAGGINGS = `insert into tag_listing (build_id, tag_id, create_event, creator_id)
  select b.id, t.id, get_event(), ${ADMIN}
    from (select b.* from build b join package p on p.id = b.pkg_id
           where p.name like $1 and version in ('1', '2') order by b.id) b, tag t
   where t.name like $1 and t.name like '%-live'`
