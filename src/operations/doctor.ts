import { asError } from '../errors.ts'
import { getAPIVersion, listVolumes } from '../hub/calls-lookup.ts'
import { listTags } from '../hub/calls-tag.ts'
import type { Check, DoctorOptions } from '../model/operations.ts'
import type { Database } from '../staging/database.ts'
import { pendingMigrations } from '../staging/migration.ts'
import { lowSequences } from '../staging/sequences.ts'
import { readServer } from '../staging/server.ts'
import { numberSetting, readSettings } from '../staging/settings.ts'
import { checkStorage } from '../storage/checks.ts'
import { checkMadeDirectories } from '../storage/directory-checks.ts'
import { fail, ok, warn } from './doctor-check.ts'
import {
  judgeBus,
  judgeCertificate,
  judgeClock,
  judgeNode,
  judgePostgres,
  judgeRate,
  judgeScope,
  judgeServer,
  judgeVolumes,
  looking,
} from './doctor-surroundings.ts'
import { checkGrants } from './grants.ts'
import { readLastEvent, readProdFacts } from './prod-facts.ts'
import { isUnsafe } from './run.ts'
import type { World } from './world.ts'

const BUS_CONNECT_MS = 5_000
const RATE_SAMPLES = 5

/** Every precondition, one after the other; what fails does not stop the rest. `listenMs`: the bus is listened to for so long at most. */
export async function* runDoctor(world: World, { listenMs }: DoctorOptions): AsyncGenerator<Check> {
  yield judgeNode(process.version)
  yield* checkHub(world)
  yield* checkBus(world, listenMs)
  yield await world.checkSignatures()
  yield* checkDatabase(world)
  for (const check of [
    ...(await checkStorage(world.storageChecks)),
    await checkMadeDirectories(world.storageChecks),
    ...(await world.checkCopying()),
  ]) {
    yield {
      name: `storage.${check.name}`,
      status: check.level,
      message: check.text,
      todo: check.hint === '' ? null : check.hint,
      unsafe: check.level === 'fail' && isUnsafe(check.name),
    }
  }
}

async function* checkHub(world: World): AsyncGenerator<Check> {
  const hub = world.hub()
  const name = 'hub.reachable'
  try {
    const [version] = await hub.read([getAPIVersion()], { priority: 'live' })
    const last = await readLastEvent(hub)
    yield ok(name, `${world.config.prod.hub} answers, API version ${version}, last event ${last.id}`)
  } catch (error) {
    yield fail(
      name,
      asError(error),
      'see prod.hub in the configuration, and whether it can be reached from here',
    )
    return
  }
  try {
    const version = await hub.version()
    const [major, minor] = version
    const supported = major === 1 && minor >= 21
    yield supported
      ? ok('hub.version', `Koji ${version.join('.')}`)
      : {
          name: 'hub.version',
          status: 'warn',
          message: `Koji ${version.join('.')}`,
          todo: '1.21 and newer were tested',
        }
  } catch (error) {
    yield fail('hub.version', asError(error), 'see whether it is a Koji hub')
  }
  const todo = 'see hub.reachable'
  yield await looking('hub.clock', todo, async () => {
    const read = await world.probes.hubClock()
    if (read === null) return judgeClock('hub', null)
    // Its second had any part.
    return judgeClock('hub', read.serverMs + 500 - (read.beforeMs + read.afterMs) / 2)
  })
  yield await looking('hub.certificate', todo, async () =>
    judgeCertificate(await world.probes.hubCertificate(), Date.now()),
  )
  yield await looking('hub.rate', todo, () => measureRate(world))
  yield await looking('hub.volumes', todo, async () => {
    const [volumes] = await hub.read([listVolumes()], { priority: 'live' })
    return judgeVolumes(
      volumes.map(({ name: volume }) => volume),
      world.config.prod.volumes,
    )
  })
  yield await looking('hub.scope', todo, () => checkScope(world))
}

async function checkScope({ hub, config }: World): Promise<Check> {
  const [tags] = await hub().read([listTags()], { priority: 'live' })
  return judgeScope(
    tags.map(({ name }) => name),
    config.scope.tags,
  )
}

async function measureRate({ hub, config }: World): Promise<Check> {
  const answersMs: number[] = []
  for (let i = 0; i < RATE_SAMPLES; i += 1) {
    const beganMs = performance.now()
    await hub().read([getAPIVersion()], { priority: 'live' })
    answersMs.push(performance.now() - beganMs)
  }
  return judgeRate(answersMs, config.prod)
}

async function* checkBus(world: World, listenMs: number): AsyncGenerator<Check> {
  const { endpoints } = world.config.bus.fedmsg
  try {
    const { connected, messages } = await world.probes.bus({ connectMs: BUS_CONNECT_MS, listenMs })
    yield* judgeBus(endpoints, { connected: connected.length, messages, listenMs })
  } catch (error) {
    yield fail('bus.reachable', asError(error), 'see bus.fedmsg.endpoints')
  }
}

async function* checkDatabase(world: World): AsyncGenerator<Check> {
  try {
    const database = await world.database()
    const [row] = await database.query<{ version: string; user: string }>(
      'doctor.hello',
      `select current_setting('server_version') as version, current_user::text as user`,
    )
    yield judgePostgres(row?.version ?? '', row?.user ?? '')
    yield judgeServer(await readServer(database))
    const beforeMs = Date.now()
    const [clock] = await database.query<{ nowMs: number }>(
      'doctor.clock',
      `select extract(epoch from clock_timestamp())::double precision * 1000 as "nowMs"`,
    )
    const hereMs = (beforeMs + Date.now()) / 2
    yield judgeClock('database', clock === undefined ? null : clock.nowMs - hereMs)
  } catch (error) {
    yield fail('database.reachable', asError(error), 'see staging.database and its password')
    return
  }
  try {
    const catalog = await world.catalog()
    catalog.requireColumns()
    yield ok('database.schema', 'has every column that is needed')
  } catch (error) {
    yield fail('database.schema', asError(error), 'staging must be a Koji database of 1.21 or newer')
    return
  }
  try {
    yield await checkGrants(world)
    yield* checkInit(world)
  } catch (error) {
    yield fail('database.init', asError(error), 'see database.grants')
  }
}

/** koji-gc in staging takes away what prod keeps; it begins by tagging builds into this tag (util/koji-gc, `handle_trash`). */
async function checkGarbageCollector(database: Database): Promise<Check> {
  const name = 'database.koji-gc'
  const [row] = await database.query<{ builds: number }>(
    'doctor.trashcan',
    `select count(*)::int as builds from tag_listing l
       join tag t on t.id = l.tag_id and t.name = 'trashcan' join events e on e.id = l.create_event
      where e.time > now() - interval '7 days'
        and l.creator_id <> (select value::int from staging_sync.setting where key = 'user_id')
        and l.create_event > coalesce((select value::bigint from staging_sync.setting where key = 'seed_event'), -1)`,
  )
  const builds = row?.builds ?? 0
  if (builds === 0) return ok(name, 'nobody but this service put a build into trashcan within a week')
  const message = `${builds} builds were put into trashcan within a week, by others than this service`
  return warn(
    name,
    message,
    "see whether koji-gc runs in staging: it must not, prod's removals come over by themselves",
  )
}

async function* checkInit(world: World): AsyncGenerator<Check> {
  const database = await world.database()
  const pending = await pendingMigrations(database, world.migrations)
  if (pending.length > 0) {
    yield {
      name: 'database.init',
      status: 'fail',
      message: `not prepared: ${pending.join(', ')}`,
      todo: 'run init',
    }
    return
  }
  const settings = await readSettings(database)
  const floor = numberSetting(settings, 'id_floor')
  if (floor === null) {
    yield { name: 'database.init', status: 'fail', message: 'not prepared', todo: 'run init' }
    return
  }
  yield ok('database.init', `prepared, id_floor ${floor}`)
  yield await checkGarbageCollector(database)
  const catalog = await world.catalog()
  const low = await lowSequences(database, catalog, floor)
  yield low.length === 0
    ? ok('database.sequences', `all above ${floor}`)
    : {
        name: 'database.sequences',
        status: 'fail',
        message: `below the floor: ${low.join(', ')}`,
        todo: 'run init: new rows of staging would take ids of prod',
        unsafe: true,
      }
  try {
    const { max } = await readProdFacts(world.hub())
    const high = Object.entries(max).filter(([, id]) => id >= floor)
    yield high.length === 0
      ? ok('database.floor', `prod's ids are below ${floor}`)
      : {
          name: 'database.floor',
          status: 'fail',
          message: `prod has ids above the floor: ${high.map(([table, id]) => `${table} ${id}`).join(', ')}`,
          todo: 'raise staging.id_floor and run init',
          unsafe: true,
        }
  } catch (error) {
    yield fail('database.floor', asError(error), 'needs the hub')
  }
}
