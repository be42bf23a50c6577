import { setTimeout as sleep } from 'node:timers/promises'
import type { E2eWorld } from '../e2e/world.ts'
import { compareHubs, describeDifference } from '../sim/compare.ts'
import { filesOff, linksStand } from './files.ts'
import type { Chaos } from './one-run.ts'

/** What reconcile leaves to the scrub, by the kinds of the comparison. */
const SCRUB_ONLY = new Set(['checksum', 'component', 'signature'])
/** And of builds in no tag: their content. */
const CONTENT = new Set([
  'rpm',
  'archive',
  'archive, maven',
  'archive, win',
  'archive, image',
  'typed build',
  'build types',
])

/** Catch-up and one reconcile; then local rows are there, and without them both hubs answer alike, but for what is the scrub's. */
export async function judgeBriefly(chaos: Chaos): Promise<string[]> {
  const { world } = chaos
  await chaos.command('catch-up')
  await chaos.command('reconcile')
  const found = [...(await localLost(chaos)), ...(await parked(world)), ...(await linksStand(world))]
  if (found.length > 0) return found
  const held = await world.sql(
    `select key from staging_sync.clash where state = 'held' and resolved_at is null
     union all select key from staging_sync.queue where parked_at is not null`,
  )
  await peel(chaos)
  if (held.length > 0) {
    await chaos.command('catch-up')
    await chaos.command('reconcile')
  }
  const still = await parked(world, false)
  if (still.length > 0) return still
  const different = (await differences(chaos)).filter(
    ({ kind }) => !SCRUB_ONLY.has(kind) && !(chaos.plan.builds === 'all' && CONTENT.has(kind)),
  )
  return different.map(describeDifference)
}

/** And after a scrub without exception; files and records agree; once more all of it writes nothing. */
export async function judge(chaos: Chaos): Promise<string[]> {
  const { world } = chaos
  const found = await judgeBriefly(chaos)
  if (found.length > 0) return found
  await chaos.command('scrub')
  await chaos.workOff()
  const left = (await differences(chaos)).map(
    (difference) => `after a scrub: ${describeDifference(difference)}`,
  )
  if (left.length > 0) return left
  const { refused } = world.prodHub.knobs
  return [
    ...(await healed(chaos)),
    ...(await filesOff(world)),
    ...(await sequencesBehind(world)),
    ...(await written(chaos)),
    ...(refused.length > 0 ? [`prod was written: ${refused.join(' ')}`] : []),
  ]
}

async function differences({ world, plan }: Chaos) {
  const { prodHub, stagingHub } = world
  const hubs = { prod: prodHub.url, staging: stagingHub.url }
  const { differences } = await compareHubs({ ...hubs, builds: plan.builds })
  // Staging gets complete builds: parts of an image whose build prod had deleted before cannot come.
  const gone = await world.prod.rows(
    `select r.name || '-' || r.version || '-' || r.release || '.' || r.arch as part from rpminfo r
       join build b on b.id = r.build_id where b.state <> 1
     union select a.filename from archiveinfo a join build b on b.id = a.build_id where b.state <> 1`,
  )
  const isGone = (name: string): boolean => gone.some(({ part }) => name.endsWith(String(part)))
  return differences.filter(
    ({ kind, name, staging }) => !(kind === 'component' && staging === null && isGone(name)),
  )
}

/** Builds, tags and taggings of staging's people that are no more as they left them. */
async function localLost({ world, rows, plan }: Chaos): Promise<string[]> {
  const lost: string[] = []
  const builds = await world.sql<{ id: number }>('select id from build where state = 1 and id = any($1)', [
    [...rows.builds],
  ])
  const tags = await world.sql<{ id: number }>(
    'select tag_id as id from tag_config where active and tag_id = any($1)',
    [[...rows.tags]],
  )
  const there = (found: { id: number }[], id: number): boolean => found.some((row) => row.id === id)
  for (const id of rows.builds) if (!there(builds, id)) lost.push(`local build ${id} is gone`)
  for (const id of rows.tags) if (!there(tags, id)) lost.push(`local tag ${id} is gone`)
  for (const [tag, build] of rows.taggings) {
    const active = await world.sql(
      `select l.creator_id = (select id from users where name = 'local') as own from tag_listing l
        where l.active and l.tag_id = $1 and l.build_id = $2`,
      [tag, build],
    )
    const [tagStands] = await world.sql('select 1 from tag_config where active and tag_id = $1', [tag])
    // Who deletes a tag of prod's, deletes what is in it.
    if (active.length !== 1 && (tagStands !== undefined || rows.tags.has(tag)))
      lost.push(`local tagging of build ${build} in tag ${tag} is gone (${plan.onClash})`)
  }
  return lost
}

/** Keys that nobody but a person can help. `clashes`: but for those that wait for a directory of staging's people to go. */
async function parked(world: E2eWorld, clashes = true): Promise<string[]> {
  const rows = await world.sql<{ key: string; last_error: string }>(
    'select key, last_error::text from staging_sync.queue where parked_at is not null order by key',
  )
  const bad = rows.filter(({ last_error }) => !(clashes && last_error.includes('holds a real directory')))
  return bad.map(({ key, last_error }) => `parked: ${key}: ${last_error}`)
}

/** Takes away what staging's people made, so that nothing but prod's is left to compare. */
async function peel({ world }: Chaos): Promise<void> {
  const { local } = world
  const own = `(select id from users where name = 'local')`
  for (const { name } of await world.sql<{ name: string }>(
    `select t.name from tag t join tag_config c on c.tag_id = t.id and c.active where t.name like 'own%'`,
  ))
    await local.deleteTag(name)
  for (const { id } of await world.sql<{ id: number }>(
    `select id from build b where owner = ${own} and state <> 4
        and not exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id)`,
  ))
    await local.resetBuild(id)
  for (const table of ['tag_listing', 'tag_packages', 'tag_package_owners'])
    await world.sql(
      `with gone as (update ${table} set active = null, revoke_event = get_event(), revoker_id = ${own}
         where active and creator_id = ${own} returning 1) select count(*) from gone`,
    )
}

/** What was begun and is not ended: a daemon that starts sees to it. */
async function healed(chaos: Chaos): Promise<string[]> {
  const { world } = chaos
  const open = async (): Promise<string[]> => {
    const places = await world.sql<{ text: string }>(
      `select 'placement of build ' || prod_build_id || ' is ' || state as text from staging_sync.placement where state <> 'placed'
       union all select 'debt of event ' || last_event from staging_sync.debt
       union all select 'still queued: ' || key || coalesce(' ' || last_error::text, '') from staging_sync.queue where expect is null order by 1`,
    )
    return places.map(({ text }) => text)
  }
  if ((await open()).length === 0) return []
  await chaos.aMinuteLater()
  const daemon = await world.start({ catchUp: 'off' })
  for (let look = 0; look < 100 && (await open()).length > 0; look += 1) await sleep(50)
  await daemon.stop()
  return open()
}

/** Ids that staging gives out next are above those that it has, and above all of prod's. */
async function sequencesBehind(world: E2eWorld): Promise<string[]> {
  const sequences = await world.sql<{ name: string; table: string; column: string; last: string }>(
    `select s.relname as name, t.relname as table, a.attname as column,
            (select last_value from pg_sequences q where q.schemaname = 'public' and q.sequencename = s.relname)::text as last
       from pg_class s join pg_namespace n on n.oid = s.relnamespace and n.nspname = 'public'
       join pg_depend d on d.objid = s.oid and d.refobjsubid > 0 join pg_class t on t.oid = d.refobjid
       join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid where s.relkind = 'S'`,
  )
  const behind: string[] = []
  for (const { name, table, column, last } of sequences) {
    const [row] = await world.sql<{ max: string | null }>(`select max(${column})::text as max from ${table}`)
    if (Number(last) < 1_000_000_000 || Number(last) < Number(row?.max ?? 0))
      behind.push(`sequence ${name}: ${last} < ${row?.max}`)
  }
  return behind
}

/** All is equal: whoever looks again writes nothing of Koji's, not even an event. */
async function written(chaos: Chaos): Promise<string[]> {
  const { world } = chaos
  const print = async (): Promise<Map<string, string>> => {
    const tables = await world.sql<{ name: string }>(
      `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname = 'public'`,
    )
    const rows = await world.sql<{ name: string; print: string }>(
      tables
        .map(
          ({ name }) =>
            `select '${name}' as name, count(*)::text || coalesce(md5(string_agg(xmin::text, ' ' order by ctid)), '') as print from ${name}`,
        )
        .join(' union all '),
    )
    return new Map(rows.map((row) => [row.name, row.print]))
  }
  const before = await print()
  await chaos.command('catch-up')
  await chaos.command('reconcile')
  const after = await print()
  return [...after]
    .filter(([name, text]) => before.get(name) !== text)
    .map(([name]) => `written although equal: ${name}`)
}
