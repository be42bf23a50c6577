import { getBuildTargets, listExternalRepos } from '../hub/calls-lookup.ts'
import { listTags } from '../hub/calls-tag.ts'
import type { Hub } from '../hub/hub.ts'
import type { InitReport } from '../model/operations.ts'
import { adoptPackages } from '../staging/adopt.ts'
import { getCursor, HISTORY_CURSOR, setCursor } from '../staging/cursor.ts'
import type { Database } from '../staging/database.ts'
import { initStaging } from '../staging/init.ts'
import { pendingMigrations } from '../staging/migration.ts'
import { numberSetting, pinSetting, readSettings, writeSetting } from '../staging/settings.ts'
import { findSeedEvent, readLastEvent, readProdFacts, refuseSameDatabase } from './prod-facts.ts'
import type { World } from './world.ts'

/**
 * Prepares staging: our schema, the user, the sequences, what staging shares with prod, where to begin. Twice does no
 * harm: what stands stays, nothing moves downwards.
 */
export async function runInit(world: World): Promise<InitReport> {
  const { config } = world
  const hub = world.hub()
  const database = await world.database()
  const catalog = await world.catalog()
  // Before the first question that only a Koji can answer.
  catalog.requireColumns()
  await refuseSameDatabase(hub, database)
  const prod = await readProdFacts(hub)
  // Read before anything of ours is written: what prod does from now on is found by its history.
  const begin = await readLastEvent(hub)
  // Only before the first time: later, builds that we brought stand on events of prod's, too.
  const isFirst =
    (await pendingMigrations(database, world.migrations)).length > 0 || !(await wasInitialised(database))
  const seedEvent = isFirst ? await findSeedEvent(hub, database) : null
  const report = await initStaging({
    database,
    catalog,
    migrations: world.migrations,
    userName: config.staging.user,
    idFloor: config.staging.idFloor,
    prodMax: prod.max,
  })
  const settled = await database.transaction('init.settle', async (tx) => {
    await pinSetting(tx, 'prod hub', config.prod.hub)
    const known = numberSetting(await readSettings(tx), 'seed_event')
    if (known === null && seedEvent !== null) await writeSetting(tx, 'seed_event', seedEvent)
    const cursor = await getCursor(tx, HISTORY_CURSOR)
    if (cursor === null) {
      const from = seedEvent === null ? begin : { id: seedEvent, time: null }
      await setCursor(tx, HISTORY_CURSOR, { event: from.id, time: from.time })
    }
    const packages = await adoptPackages(tx, prod.packages)
    return { packages, seed: known ?? seedEvent, isNew: known === null && seedEvent !== null, cursor }
  })
  const step = (what: string, done: boolean, detail: string) => ({
    what,
    outcome: done ? ('done' as const) : ('unchanged' as const),
    detail,
  })
  return {
    steps: [
      step('schema staging_sync', report.migrations.length > 0, report.migrations.join(', ') || 'up to date'),
      step(
        'user',
        report.user.action !== 'kept',
        `${report.user.name}, id ${report.user.id}, ${report.user.action}`,
      ),
      step(
        'sequences',
        report.sequences.length > 0,
        report.sequences.length > 0
          ? `${report.sequences.length} moved above ${report.idFloor}`
          : `all above ${report.idFloor}`,
      ),
      step(
        'shared with prod',
        settled.isNew,
        settled.seed === null ? 'no events: staging is no copy' : `all up to event ${settled.seed}`,
      ),
      step(
        'packages',
        settled.packages > 0,
        `${settled.packages} that staging has already recorded as prod's`,
      ),
      step(
        'history cursor',
        settled.cursor === null,
        `prod's event ${settled.cursor?.event ?? (seedEvent === null ? begin.id : seedEvent)}`,
      ),
    ],
    adopted: await findAdopted(hub, database),
    local: await countLocal(database, settled.seed),
  }
}

/** Whether `init` has run to its end before. Only where our schema stands. */
async function wasInitialised(database: Database): Promise<boolean> {
  return numberSetting(await readSettings(database), 'init_event') !== null
}

/**
 * Names that both sides have: the same thing on both, so ours to keep equal from now on. (Lookup tables, such as archive
 * types, are always matched by name.)
 */
async function findAdopted(hub: Hub, database: Database): Promise<Record<string, string[]>> {
  const [tags, targets, repos] = await hub.read([listTags(), getBuildTargets(), listExternalRepos()], {
    priority: 'live',
  })
  const sides = { tag: tags, build_target: targets, external_repo: repos }
  const adopted: Record<string, string[]> = {}
  for (const [table, rows] of Object.entries(sides)) {
    const mine = await database.query<{ name: string }>(
      `init.names.${table}`,
      `select name from ${table} where name = any($1::text[]) order by name`,
      [rows.map((row) => row.name)],
      { prepare: false },
    )
    if (mine.length > 0) adopted[table] = mine.map((row) => row.name)
  }
  return adopted
}

/** What staging made itself before `init`; `seed` is the last event that it shares with prod. */
async function countLocal(database: Database, seed: number | null): Promise<Record<string, number>> {
  const [row] = await database.query<{ builds: number; taggings: number; tags: number }>(
    'init.local',
    `select (select count(*) from build b where b.create_event > $1
               and not exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id)) as builds,
            (select count(*) from tag_listing l where l.active and l.create_event > $1
               and l.creator_id <> (select value::int from staging_sync.setting where key = 'user_id')) as taggings,
            (select count(*) from tag t where not exists
               (select 1 from staging_sync.owned o where o.kind = 'tag' and o.staging_id = t.id)
               and not exists (select 1 from tag_config c where c.tag_id = t.id and c.create_event <= $1)) as tags`,
    [seed ?? -1],
  )
  return { builds: row?.builds ?? 0, taggings: row?.taggings ?? 0, tags: row?.tags ?? 0 }
}
