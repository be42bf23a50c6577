import { SafetyError } from '../errors.ts'
import { compilePatterns } from '../model/pattern.ts'
import type { SeedNews, SeedOptions } from '../model/seed.ts'
import { dropDatabase, makeDatabase, markDatabase, readNow } from '../seed/databases.ts'
import { estimateBytes, refuseFullDisk } from '../seed/disk.ts'
import type { Dump } from '../seed/dump-source.ts'
import { loadDump } from '../seed/load.ts'
import { placeFiles } from '../seed/place-files.ts'
import { type PreparedRows, prepareRows, prepareSeed, type SeedEvent } from '../seed/prepare.ts'
import { markRewrittenTags } from '../seed/rewritten-tags.ts'
import { checkRights } from '../seed/rights.ts'
import { giveDatabaseRights, giveRights, limitConnections } from '../seed/rights-give.ts'
import { readRights } from '../seed/rights-read.ts'
import { readSequences } from '../seed/sequences-above.ts'
import type { Session } from '../seed/session.ts'
import { News } from './news.ts'
import { isShared } from './prod-facts.ts'
import { refuseUnsafeStorage } from './run.ts'
import { LinksBeside } from './seed-links.ts'
import { countLocalWork, describeLocal } from './seed-local.ts'
import { LoadPace } from './seed-pace.ts'
import { type Replaced, readReplaced } from './seed-replaced.ts'
import { runExchange } from './seed-swap.ts'
import { seedWishes } from './seed-wishes.ts'
import type { SeedTools, World } from './world.ts'

/**
 * Makes a staging of prod's dump, in a new database beside the running one, and swaps it in when asked to. Until the swap nothing of
 * the running database is written. Whatever ends it before, the next one starts anew.
 */
export async function* runSeed(
  world: World,
  options: SeedOptions,
  signal: AbortSignal,
): AsyncGenerator<SeedNews> {
  const tools = world.seedTools()
  const news = new News<SeedNews>()
  const tell = (item: SeedNews): void => news.tell(item)
  const done = news.until(async () => {
    const admin = await tools.open(world.config.seed.maintenanceDatabase)
    try {
      await holdAlone(admin, world.config.staging.database)
      if (options.dump !== null)
        await makeNew(world, tools, admin, { ...options, dump: options.dump }, tell, signal)
      if (options.swap || options.rollback || options.plan)
        await runExchange(world, tools, admin, options, tell)
    } finally {
      await admin.close()
    }
  })
  yield* news.read()
  await done
}

/** One seed at a time of one staging: the bytes of 'kjsd'. */
const SEED_LOCK = 0x6b6a7364

async function holdAlone(admin: Session, address: string): Promise<void> {
  const [row] = await admin.query<{ locked: boolean }>(
    'seed.alone',
    'select pg_try_advisory_lock($1, hashtext($2)) as locked',
    [SEED_LOCK, /\/([^/?]*)(?:\?|$)/.exec(address.replace(/^[a-z]+:\/\//i, ''))?.[1] ?? ''],
  )
  if (row?.locked !== true) throw new SafetyError('SEED_RUNS', 'another seed of this staging is at work')
}

async function makeNew(
  world: World,
  tools: SeedTools,
  admin: Session,
  options: SeedOptions & { readonly dump: string },
  tell: (news: SeedNews) => void,
  signal: AbortSignal,
): Promise<void> {
  const startedMs = performance.now()
  await refuseUnsafeStorage(world)
  const replaced = await readReplaced(world)
  const local = describeLocal(await countLocalWork(await world.database(), replaced))
  if (local !== '') {
    const then = options.leaveLocal ? 'leaves it behind' : 'carries it over'
    tell({ kind: 'note', text: `staging made ${local} itself; the swap ${then} (seed --plan tells more)` })
  }
  const running = await tools.open(replaced.database)
  try {
    const rights = await readRights(running)
    await checkRights(running, rights)
    const dump = await tools.openDump(options.dump, signal)
    try {
      const needed = estimateBytes(dump.totalBytes, dump.format)
      const doubt = await refuseFullDisk(admin, {
        needed,
        freeBytes: options.freeBytes,
        database: replaced.database,
      })
      if (doubt !== null) tell({ kind: 'note', text: doubt })
      const at = await readNow(admin)
      const name = await makeDatabase(admin, replaced.database, at)
      tell({ kind: 'doing', what: `loading ${dump.name} into ${name}` })
      const session = await tools.open(name)
      try {
        const left = await giveDatabaseRights(session, rights)
        if (left.length > 0) {
          tell({
            kind: 'note',
            text: `settings that we may not carry over; after the swap: ${left.join('; ')}`,
          })
        }
        const seedEvent = await fill(world, tools, {
          session,
          running,
          name,
          dump,
          replaced,
          options,
          tell,
          signal,
        })
        const notes = await session.transaction('seed.rights', () => giveRights(session, rights))
        for (const text of notes) tell({ kind: 'note', text })
        await limitConnections(session, rights)
        await markDatabase(admin, name, { state: 'ready', seedEvent: seedEvent.id, dump: dump.name, at })
        tell({
          kind: 'ready',
          database: name,
          seedEvent: seedEvent.id,
          elapsedMs: performance.now() - startedMs,
        })
      } catch (error) {
        await session.close()
        // Nothing half-loaded is left to be taken for whole.
        await dropDatabase(admin, name).catch(() => {})
        throw error
      } finally {
        await session.close()
      }
    } finally {
      dump.close()
    }
  } finally {
    await running.close()
  }
}

interface Filling {
  readonly session: Session
  readonly running: Session
  readonly name: string
  readonly dump: Dump
  readonly replaced: Replaced
  readonly options: SeedOptions
  readonly tell: (news: SeedNews) => void
  readonly signal: AbortSignal
}

async function fill(world: World, tools: SeedTools, filling: Filling): Promise<SeedEvent> {
  const { config } = world
  const { session, running, name, dump, replaced, options, tell, signal } = filling
  const pace = new LoadPace(dump, tell)
  const database = await tools.database(name)
  const helpers: Session[] = []
  const links = new LinksBeside(tools, name, tell, signal)
  try {
    for (let n = 1; n < config.seed.jobs; n += 1) helpers.push(await tools.open(name))
    const common = {
      session,
      database,
      wishes: seedWishes(config, tools.placements),
      migrations: world.migrations,
      idFloor: config.staging.idFloor,
    }
    const found: PreparedRows[] = []
    const loaded = await loadDump({
      dump,
      session,
      helpers,
      isLeftOut: compilePatterns(config.seed.leftOut),
      onRows: async () => {
        const prepared = await prepareRows({
          ...common,
          ownTables: config.seed.ownTables,
          checkEvent: (event) => checkEvent(world, session, event, replaced, options),
        })
        found.push(prepared)
        links.start()
      },
      signal,
      onProgress: (doing) => pace.show(doing),
    })
    const counts = Object.values(loaded.rows)
    tell({
      kind: 'loaded',
      tables: counts.length,
      rows: counts.reduce((sum, n) => sum + n, 0),
      leftOut: loaded.leftOut,
    })
    for (const notice of loaded.notices) tell({ kind: 'note', text: `left out of the dump: ${notice}` })
    tell({ kind: 'doing', what: 'making a staging of it' })
    const [rows] = found as [PreparedRows]
    const report = await prepareSeed({
      ...common,
      userName: config.staging.user,
      prodHub: config.prod.hub,
      replaced: replaced.isKoji ? await readSequences(running) : new Map(),
      rows,
    })
    for (const reset of report.resets) tell({ kind: 'reset', ...reset })
    for (const text of report.notes) tell({ kind: 'note', text })
    if (replaced.isInitialised) await carrySnapshotEvent(running, session, rows.seedEvent, tell)
    const rewritten = await markRewrittenTags(
      session,
      compilePatterns(config.tagRewrite.flatMap(({ tags }) => tags)),
    )
    if (rewritten > 0)
      tell({
        kind: 'note',
        text: `${rewritten} tags are rewritten ([[tag_rewrite]]) by the daemon, first of all`,
      })
    const linked = await links.end()
    const files = await placeFiles({
      session,
      placementOf: (mode) => tools.placements.byMode(mode),
      signal,
      onProgress: (done, of) => tell({ kind: 'placing', done, of }),
    })
    await tools.flush()
    tell({ kind: 'placed', ...files, placed: files.placed + linked })
    return rows.seedEvent
  } finally {
    await links.stop()
    for (const helper of helpers) await helper.close()
    await database.destroy()
  }
}

/** Staging's tree stays what it is when the database changes: of which moment of prod's it is comes over. */
async function carrySnapshotEvent(
  from: Session,
  to: Session,
  seedEvent: SeedEvent,
  tell: (news: SeedNews) => void,
): Promise<void> {
  const [row] = await from.query<{ value: string }>(
    'seed.snapshot-event',
    `select value from staging_sync.setting where key = 'snapshot_event'`,
  )
  if (row === undefined) return
  await to.query(
    'seed.snapshot-event-new',
    `insert into staging_sync.setting (key, value) values ('snapshot_event', $1) on conflict (key) do update set value = excluded.value`,
    [row.value],
  )
  const event = Number(row.value.split(' ')[0])
  if (event >= seedEvent.id) return
  const text = `the snapshot in staging's tree is of prod's event ${event}, before the dump's: builds in place that it lacks are fetched`
  tell({ kind: 'note', text })
}

/** The dump is of the prod that we follow, and not older than what staging shows. */
async function checkEvent(
  world: World,
  session: Session,
  event: SeedEvent,
  { cursor }: Replaced,
  { allowOlder }: SeedOptions,
): Promise<void> {
  if (!(await isShared(world.hub(), session, event.id))) {
    throw new SafetyError(
      'SEED_OTHER_PROD',
      `the dump's last event ${event.id} (${event.time}) is not one of prod.hub's: it is a dump of another Koji`,
    )
  }
  if (cursor === null || event.id >= cursor || allowOlder) return
  throw new SafetyError(
    'SEED_DUMP_OLDER',
    `the dump ends with prod's event ${event.id}, and staging follows prod up to ${cursor} already (--older takes it all the same)`,
  )
}
