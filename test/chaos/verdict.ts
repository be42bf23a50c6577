import { setTimeout as sleep } from 'node:timers/promises'
import type { LogLine } from '../e2e/log-lines.ts'
import type { E2eWorld } from '../e2e/world.ts'
import { compareHubs, describeDifference } from '../sim/compare.ts'
import type { Calm } from './calm.ts'
import { filesOff, linksStand } from './files.ts'
import type { Chaos } from './one-run.ts'
import { localLost, orphanRows, partsThatCannotCome, sequencesBehind } from './verdict-rows.ts'

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
  const { world, calm } = chaos
  await calm.command('catch-up')
  const drift = await calm.command('reconcile')
  const missed = chaos.rows.pagesLost ? [] : missedOf(drift)
  const found = [
    ...missed,
    ...(await localLost(chaos)),
    ...(await parked(world)),
    ...(await linksStand(world)),
  ]
  if (found.length > 0) return found
  const held = await world.sql(
    `select key from staging_sync.clash where state = 'held' and resolved_at is null
     union all select key from staging_sync.queue where parked_at is not null`,
  )
  await peel(chaos)
  if (held.length > 0) {
    await calm.command('catch-up')
    await calm.command('reconcile')
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
  const { world, calm } = chaos
  const found = await judgeBriefly(chaos)
  if (found.length > 0) return found
  await calm.command('scrub')
  await calm.workOff()
  const left = (await differences(chaos)).map(
    (difference) => `after a scrub: ${describeDifference(difference)}`,
  )
  if (left.length > 0) return left
  const { refused } = world.prodHub.knobs
  return [
    ...(await healed(calm)),
    ...(await filesOff(world)),
    ...(await orphanRows(world)),
    ...(await sequencesBehind(world)),
    ...(await written(calm)),
    ...(refused.length > 0 ? [`prod was written: ${refused.join(' ')}`] : []),
  ]
}

async function differences(chaos: Chaos) {
  const { prodHub, stagingHub } = chaos.world
  const hubs = { prod: prodHub.url, staging: stagingHub.url }
  const { differences } = await compareHubs({ ...hubs, builds: chaos.plan.builds })
  const cannotCome = await partsThatCannotCome(chaos.world)
  // Of two of one name the comparison counts the second: "name (2)".
  const isExcused = (name: string): boolean => cannotCome.has(name.replace(/ \(\d+\)$/, ''))
  return differences.filter(
    ({ kind, name, staging }) => !(kind === 'component' && staging === null && isExcused(name)),
  )
}

/** What catch-up finds, whatever was lost (the table of catchup/catch-up.ts): nothing of these is left to reconcile. */
const CATCH_UP_FINDS = new Set([
  'name',
  'tag',
  'extra',
  'inheritance',
  'external-repos',
  'groups',
  'package',
  'listing',
  'target',
  'external-repo',
])

function missedOf(said: readonly LogLine[]): string[] {
  return said.flatMap(({ msg, key, kind, subject }) =>
    msg === 'drift found' && CATCH_UP_FINDS.has(String(kind))
      ? [`catch-up missed ${kind} ${subject} (${key})`]
      : [],
  )
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
  // A tag that prod deleted stands for as long as they have a setting of their own in it.
  for (const table of ['tag_config', 'tag_extra', 'tag_inheritance', 'tag_external_repos', 'group_config'])
    await world.sql(
      `with gone as (update ${table} set active = null, revoke_event = get_event(), revoker_id = ${own}
         where active and creator_id = ${own} and tag_id in (
           select o.staging_id from staging_sync.owned o join staging_sync.clash c on c.key = 'tag/' || o.prod_id
            where o.kind = 'tag' and c.kind = 'removed-in-prod' and c.state = 'held' and c.resolved_at is null)
         returning 1) select count(*) from gone`,
    )
}

/** What was begun and is not ended: a daemon that starts sees to it. */
export async function healed(calm: Calm): Promise<string[]> {
  const { world } = calm
  const open = async (): Promise<string[]> => {
    const places = await world.sql<{ text: string }>(
      `select 'placement of build ' || prod_build_id || ' is ' || state as text from staging_sync.placement where state <> 'placed'
       union all select 'debt of event ' || last_event from staging_sync.debt
       union all select 'still queued: ' || key || coalesce(' ' || last_error::text, '') from staging_sync.queue where expect is null order by 1`,
    )
    return places.map(({ text }) => text)
  }
  if ((await open()).length === 0) return []
  await calm.aMinuteLater()
  return calm.withDaemon(async () => {
    for (let look = 0; look < 600 && (await open()).length > 0; look += 1) await sleep(50)
    return open()
  })
}

/** All is equal: whoever looks again writes nothing of Koji's, not even an event. */
export async function written(calm: Calm): Promise<string[]> {
  const { world } = calm
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
  await calm.command('catch-up')
  await calm.command('reconcile')
  const after = await print()
  return [...after]
    .filter(([name, text]) => before.get(name) !== text)
    .map(([name]) => `written although equal: ${name}`)
}
