import { BUILD_STATE } from '../model/records.ts'
import type { ResetContext } from './reset.ts'
import { findTagsInScope, makeBuildsInScope, type SeedScope } from './scope-builds.ts'

type Context = Pick<ResetContext, 'session' | 'wishes' | 'report'>

/** Where complete builds stand in staging. */
export interface PlaceBuilds {
  /** true: `choose` is asked about each build; false: its answer is the same for all of a volume, in scope or not */
  readonly byBuild: boolean
  /** true: the names of its tags are wanted, too */
  readonly needsTags: boolean
  readonly scope: SeedScope
  choose(build: {
    readonly name: string
    readonly btypes: readonly string[]
    /** those in scope */
    readonly tags: readonly string[]
    readonly prodVolume: string
    readonly inScope: boolean
  }): Chosen
}

export interface Chosen {
  readonly mode: string
  readonly volume: string
  /** its files are not brought */
  readonly withoutFiles: boolean
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
    const { mode, volume } = wishes.placeBuilds.choose({
      name: '',
      btypes: [],
      tags: [],
      prodVolume: name,
      inScope: true,
    })
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
    `insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state, changed_at)
     select b.id, r.volume, p.name, b.version, b.release, r.name, r.mode, 'intent', now()
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
  const { placeBuilds } = wishes
  await makeTables(context)
  let after = 0
  let moved = 0
  let recorded = 0
  let withoutFiles = 0
  for (;;) {
    const builds = await session.query<Build>('seed.builds', BUILDS, [after, PAGE])
    const last = builds.at(-1)
    if (last === undefined) break
    after = last.id
    const chosen = builds.map((build) => ({
      ...build,
      ...placeBuilds.choose({
        name: build.name,
        btypes: build.btypes ?? [],
        tags: build.tags ?? [],
        prodVolume: build.volume,
        inScope: build.inScope,
      }),
      prodVolume: build.volume,
    }))
    const ids = new Map<string, number>()
    for (const volume of new Set(chosen.map(({ volume }) => volume)))
      ids.set(volume, await ensureVolume(context, volume))
    const placed = chosen.filter((build) => !build.withoutFiles)
    withoutFiles += chosen.length - placed.length
    recorded += await session.change('seed.intents', INTENTS, [
      ...(['id', 'volume', 'name', 'version', 'release', 'prodVolume', 'mode', 'inScope'] as const).map(
        (column) => placed.map((build) => build[column]),
      ),
    ])
    moved += await session.change(
      'seed.place',
      `update build b set volume_id = r.volume from unnest($1::int[], $2::int[]) as r(id, volume)
        where b.id = r.id and b.volume_id <> r.volume`,
      [chosen.map(({ id }) => id), chosen.map(({ volume }) => ids.get(volume))],
    )
  }
  report.add('staging_sync.placement', 'builds to place', recorded)
  report.add('build', 'complete ones moved to their volume in staging', moved)
  report.add(
    'build',
    'out of scope left without files: there is no mount of prod (prod.topdir)',
    withoutFiles,
  )
}

interface Build {
  readonly id: number
  readonly name: string
  readonly version: string
  readonly release: string
  readonly volume: string
  readonly btypes: string[] | null
  readonly tags: string[] | null
  readonly inScope: boolean
}

/** What is asked of each build, for all of them at once: Koji's tables have no index yet. */
async function makeTables({ session, wishes }: Context): Promise<void> {
  const { scope, needsTags } = wishes.placeBuilds
  const isAll = scope.builds === 'all'
  const tags = isAll && !needsTags ? [] : await findTagsInScope(session, scope)
  if (isAll) {
    await session.query(
      'seed.scope-all',
      'create temp table seed_in_scope on commit drop as select id from build',
    )
  } else await makeBuildsInScope(session, tags)
  const list = needsTags ? tags.join(',') : ''
  await session.query(
    'seed.facts',
    `create temp table seed_tags on commit drop as
       select l.build_id as id, array_agg(t.name::text order by t.name) as names from tag_listing l join tag t on t.id = l.tag_id
        where l.active and l.tag_id = any('{${list}}'::int[]) group by 1;
     create temp table seed_btypes on commit drop as
       select bt.build_id as id, array_agg(t.name::text order by t.name) as names from build_types bt join btype t on t.id = bt.btype_id group by 1;
     create temp table seed_builds on commit drop as
       select b.id, p.name::text, b.version::text, b.release::text, v.name::text as volume, t.names as tags, y.names as btypes,
              s.id is not null as "inScope"
         from build b join package p on p.id = b.pkg_id join volume v on v.id = b.volume_id
         left join seed_tags t on t.id = b.id left join seed_btypes y on y.id = b.id left join seed_in_scope s on s.id = b.id
        where b.state = ${BUILD_STATE.complete};
     alter table seed_builds add primary key (id)`,
  )
}

const BUILDS = 'select * from seed_builds where id > $1 order by id limit $2'

/** At one time, so that the newest are placed first (`listPlacements`); what is out of scope after all that is in it. */
const INTENTS = `
  insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state, changed_at)
  select r.id, r.volume, r.name, r.version, r.release, r.prod_volume, r.mode, 'intent',
         now() + case when r.in_scope then interval '0' else interval '1 second' end
    from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[])
         as r(id, volume, name, version, release, prod_volume, mode, in_scope)`

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
