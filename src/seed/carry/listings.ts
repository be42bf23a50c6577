import type { Ground } from './ground.ts'
import { mergeListing } from './merge-listing.ts'
import type { CarryReport } from './report.ts'

interface Old {
  readonly tag: number
  readonly package: number
  readonly build: number | null
  readonly event: number
  readonly local: boolean
  readonly creator: number | null
}

interface There {
  readonly tag: number
  readonly package: number
  readonly build: number
  readonly event: number
}

/**
 * Builds that staging's people tagged. A tag's builds of a package are an ordered list, so each comes to stand above what it stood
 * above: what of prod's belongs above it is tagged anew, by us. Call when builds, tags and events are mapped.
 */
export async function makeListings(ground: Ground, userId: number, report: CarryReport): Promise<void> {
  if (ground.isEmpty('tag_listing')) return
  const lost = await ground.to.query<{ tag: string; nvr: string }>('carry.listing-lost', LOST)
  for (const { tag, nvr } of lost) {
    report.cannot(`${nvr} in ${tag}`, 'the build does not come over', `tagging/${tag}/${nvr}`, `build/${nvr}`)
  }
  const pairs = await ground.to.query<{ tag: number; package: number }>('carry.listing-pairs', PAIRS)
  if (pairs.length === 0) return
  const [tags, packages] = [pairs.map(({ tag }) => tag), pairs.map((pair) => pair.package)]
  await ground.pullAs(
    null,
    'c_whole_listing',
    [
      { name: 'tag_id', type: 'bigint' },
      { name: 'pkg_id', type: 'bigint' },
      { name: 'build_id', type: 'bigint' },
      { name: 'version', type: 'text' },
      { name: 'release', type: 'text' },
      { name: 'create_event', type: 'bigint' },
    ],
    `select l.tag_id, b.pkg_id, b.id, b.version, b.release, l.create_event from tag_listing l join build b on b.id = l.build_id
      where l.active and (l.tag_id, b.pkg_id) in (select * from unnest('{${tags}}'::int[], '{${packages}}'::int[]))`,
  )
  const old = groupBy(await ground.to.query<Old>('carry.listing-old', OLD))
  const there = groupBy(await ground.to.query<There>('carry.listing-there', THERE))
  let made = 0
  let moved = 0
  for (const [pair, list] of old) {
    const now = there.get(pair) ?? []
    const { keep, create } = mergeListing(
      list.flatMap(({ build, event, local, creator }) =>
        build === null ? [] : [{ build, event, creator: local ? creator : null }],
      ),
      now.map(({ build, event }) => ({ build, event })),
    )
    if (create.length === 0) continue
    const tag = (list[0] as Old).tag
    const kept = new Set(keep)
    const gone = now.filter(({ build }) => !kept.has(build)).map(({ build }) => build)
    const events = await takeEvents(ground, create.filter(({ event }) => event === null).length + 1)
    const revoked = events.shift() as number
    if (gone.length > 0) {
      await ground.to.query(
        'carry.listing-revoke',
        `update tag_listing set active = null, revoke_event = $1::int, revoker_id = $2::int
          where tag_id = $3 and build_id = any($4::int[]) and active`,
        [revoked, userId, tag, gone],
      )
    }
    await ground.to.query(
      'carry.listing-create',
      `insert into tag_listing (tag_id, build_id, create_event, creator_id)
       select $1, * from unnest($2::int[], $3::int[], $4::int[])`,
      [
        tag,
        create.map(({ build }) => build),
        create.map(({ event }) => event ?? events.shift()),
        create.map(({ creator }) => creator ?? userId),
      ],
    )
    const own = create.filter(({ creator }) => creator !== null).length
    made += own
    moved += create.length - own
  }
  report.add('taggings', made)
  report.add("taggings of prod's put above them again", moved)
}

async function takeEvents(ground: Ground, count: number): Promise<number[]> {
  const rows = await ground.to.query<{ id: number }>(
    'carry.events',
    'insert into events (time) select clock_timestamp() from generate_series(1, $1::int) returning id',
    [count],
  )
  return rows.map(({ id }) => id).sort((a, b) => a - b)
}

function groupBy<T extends { readonly tag: number; readonly package: number }>(
  rows: readonly T[],
): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const pair = `${row.tag}/${row.package}`
    const group = groups.get(pair)
    if (group === undefined) groups.set(pair, [row])
    else group.push(row)
  }
  return groups
}

const LOST = `
  select t.name as tag, coalesce(p.name || '-' || b.version || '-' || b.release,
         (select x.nvr from c_left_build x where x.id = l.build_id), 'build ' || l.build_id) as nvr
    from c_tag_listing l join c_tag t on t.id = l.tag_id
    left join c_build b on b.id = l.build_id left join c_package p on p.id = b.pkg_id
   where not exists (select 1 from m_build m where m.old = l.build_id) or not exists (select 1 from m_tag m where m.old = l.tag_id)
   order by 1, 2`

const PAIRS = `
  select distinct l.tag_id as tag, b.pkg_id as package from c_tag_listing l join c_build b on b.id = l.build_id
    join m_build mb on mb.old = l.build_id join m_tag mt on mt.old = l.tag_id`

/** In the new database's ids; prod's builds that were not looked up by id are found by what they are called. */
const OLD = `
  select mt.new as tag, mp.new as package,
         coalesce(mb.new, (select n.id from build n where n.pkg_id = mp.new and n.version = o.version and n.release = o.release)) as build,
         coalesce(me.new, o.create_event) as event, l.build_id is not null as local, mu.new as creator
    from c_whole_listing o join m_tag mt on mt.old = o.tag_id join m_package mp on mp.old = o.pkg_id
    left join m_build mb on mb.old = o.build_id
    left join c_tag_listing l on l.tag_id = o.tag_id and l.build_id = o.build_id
    left join m_users mu on mu.old = l.creator_id
    left join m_events me on me.old = l.create_event
   order by mt.new, mp.new, o.create_event, o.build_id`

const THERE = `
  select l.tag_id as tag, b.pkg_id as package, l.build_id as build, l.create_event as event
    from tag_listing l join build b on b.id = l.build_id
   where l.active and (l.tag_id, b.pkg_id) in
         (select mt.new, mp.new from c_whole_listing o join m_tag mt on mt.old = o.tag_id join m_package mp on mp.old = o.pkg_id)
   order by 1, 2, l.create_event, l.build_id`
