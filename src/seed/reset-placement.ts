import { BUILD_STATE } from '../model/records.ts'
import type { ResetContext } from './reset.ts'

type Context = Pick<ResetContext, 'session' | 'wishes' | 'report'>

/** Where complete builds stand in staging. */
export interface PlaceBuilds {
  /** true: `choose` is asked about each build; false: its answer is the same for all of a volume */
  readonly byBuild: boolean
  /** true: the names of its tags are wanted, too */
  readonly needsTags: boolean
  choose(build: {
    readonly name: string
    readonly btypes: readonly string[]
    readonly tags: readonly string[]
    readonly prodVolume: string
  }): { readonly mode: string; readonly volume: string }
}

/** Of builds that are read at a time. */
const PAGE = 20_000

/**
 * Complete builds, on whichever of prod's volumes, go to the volume that the rules say; a record of each (`intent`) tells that its
 * files are still to be placed. All others (failed, canceled, deleted) go to the default volume: Koji writes below it when somebody
 * builds them again.
 */
export async function placeBuilds(context: Context): Promise<void> {
  const { session, report, wishes } = context
  const others = await session.change(
    'seed.default-volume',
    'update build set volume_id = 0 where state <> $1 and volume_id <> 0',
    [BUILD_STATE.complete],
  )
  report.add('build', 'without files moved to the default volume', others)
  if (wishes.placeBuilds.byBuild) await placeEach(context)
  else await placeVolumes(context)
}

async function placeVolumes(context: Context): Promise<void> {
  const { session, report, wishes } = context
  const volumes = await session.query<{ id: number; name: string }>(
    'seed.volumes',
    'select id, name from volume order by id',
  )
  const rules = []
  for (const { id, name } of volumes) {
    const { mode, volume } = wishes.placeBuilds.choose({ name: '', btypes: [], tags: [], prodVolume: name })
    rules.push({ from: id, name, mode, volume, to: await ensureVolume(context, volume) })
  }
  // One statement for all, since volumes may change places.
  const table = `unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::int[]) as r("from", name, mode, volume, "to")`
  const values = [
    rules.map(({ from }) => from),
    rules.map(({ name }) => name),
    rules.map(({ mode }) => mode),
    rules.map(({ volume }) => volume),
    rules.map(({ to }) => to),
  ]
  const recorded = await session.change(
    'seed.intents',
    `insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state)
     select b.id, r.volume, p.name, b.version, b.release, r.name, r.mode, 'intent'
       from build b join package p on p.id = b.pkg_id join ${table} on r."from" = b.volume_id
      where b.state = ${BUILD_STATE.complete}`,
    values,
  )
  report.add('staging_sync.placement', 'builds to place', recorded)
  const moved = await session.change(
    'seed.place',
    `update build b set volume_id = r."to" from ${table}
      where r."from" = b.volume_id and b.state = ${BUILD_STATE.complete} and b.volume_id <> r."to"`,
    values,
  )
  report.add('build', 'complete ones moved to their volume in staging', moved)
}

async function placeEach(context: Context): Promise<void> {
  const { session, report, wishes } = context
  const tags = wishes.placeBuilds.needsTags
    ? `(select array_agg(t.name) from tag_listing l join tag t on t.id = l.tag_id where l.build_id = b.id and l.active)`
    : 'null'
  let after = 0
  let moved = 0
  let recorded = 0
  for (;;) {
    const builds = await session.query<{
      id: number
      name: string
      version: string
      release: string
      volume: string
      btypes: string[] | null
      tags: string[] | null
    }>(
      'seed.builds',
      `select b.id, p.name, b.version, b.release, v.name as volume, ${tags} as tags,
              (select array_agg(t.name) from build_types bt join btype t on t.id = bt.btype_id where bt.build_id = b.id) as btypes
         from build b join package p on p.id = b.pkg_id join volume v on v.id = b.volume_id
        where b.state = $1 and b.id > $2 order by b.id limit $3`,
      [BUILD_STATE.complete, after, PAGE],
    )
    const last = builds.at(-1)
    if (last === undefined) break
    after = last.id
    const chosen = builds.map((build) => ({
      ...build,
      ...wishes.placeBuilds.choose({
        name: build.name,
        btypes: build.btypes ?? [],
        tags: build.tags ?? [],
        prodVolume: build.volume,
      }),
      prodVolume: build.volume,
    }))
    const ids = new Map<string, number>()
    for (const volume of new Set(chosen.map(({ volume }) => volume)))
      ids.set(volume, await ensureVolume(context, volume))
    recorded += await session.change(
      'seed.intents',
      `insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state)
       select *, 'intent' from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])`,
      (['id', 'volume', 'name', 'version', 'release', 'prodVolume', 'mode'] as const).map((column) =>
        chosen.map((build) => build[column]),
      ),
    )
    moved += await session.change(
      'seed.place',
      `update build b set volume_id = r.volume from unnest($1::int[], $2::int[]) as r(id, volume)
        where b.id = r.id and b.volume_id <> r.volume`,
      [chosen.map(({ id }) => id), chosen.map(({ volume }) => ids.get(volume))],
    )
  }
  report.add('staging_sync.placement', 'builds to place', recorded)
  report.add('build', 'complete ones moved to their volume in staging', moved)
}

async function ensureVolume({ session, report }: Context, name: string): Promise<number> {
  const [there] = await session.query<{ id: number }>(
    'seed.volume',
    'select id from volume where name = $1',
    [name],
  )
  if (there !== undefined) return there.id
  const [made] = await session.query<{ id: number }>(
    'seed.volume-new',
    'insert into volume (name) values ($1) returning id',
    [name],
  )
  report.add('volume', 'added', 1)
  return (made as { id: number }).id
}
