import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { createWorld } from '../../src/context.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { seeded } from './gates.ts'
import { said } from './log-lines.ts'
import { buildProgram, type Program } from './program.ts'
import { type E2eWorld, e2eWorld } from './world.ts'

let world: E2eWorld
let program: Program
beforeAll(async () => {
  program = await buildProgram()
})
afterAll(() => program?.remove())
afterEach(() => world?.close())

const KILLS = 5
/** Builds that are tagged, one message each: while nobody listens, and while a daemon that is to be killed does. */
const UNHEARD = 2
const HEARD = 8
const rpms = [{ arch: 'x86_64' }]

/** What a dead daemon held is free, as after a minute. */
const endLeases = () =>
  world.sql(`update staging_sync.queue set lease_until = clock_timestamp() where lease_until is not null`)

/** Works on what is queued until nothing is due, and finds nothing itself. */
async function drainQueue(): Promise<void> {
  await endLeases()
  const log = createLog({ level: 'error', form: 'json', write: () => {} })
  const config = loadConfig({ file: world.file, env: {} })
  const context = createWorld({
    config,
    telemetry: { log, metrics: new Metrics({ version: 'test', processMetrics: false }) },
  })
  const stop = new AbortController()
  try {
    const engine = await context.engine()
    const running = engine.worker().run(stop.signal)
    await world.settled()
    stop.abort()
    await running
  } finally {
    await context.destroy()
  }
}

test(`a daemon that is killed ${KILLS} times at any moment loses nothing that it had received`, async () => {
  world = await e2eWorld()
  const random = seeded(8_675_309)
  await world.prod.addTag('f43', { arches: 'x86_64' })
  // Only messages may tell.
  world.breakCatchUp(true)
  // What was marked, by the word of the database: in the same transaction.
  await world.sql(`create schema test; create table test.heard (key text, at timestamptz default clock_timestamp());
    create function test.hear() returns trigger language plpgsql security definer as
      $$ begin insert into test.heard (key) values (new.key); return null; end $$;
    create trigger hear after insert on staging_sync.queue for each row execute function test.hear()`)
  const heard = async (): Promise<string[]> => {
    const rows = await world.sql<{ name: string }>(
      `select split_part(key, '/', 4) as name from test.heard where key like 'lookup/tagged/%' order by at`,
    )
    return [...new Set(rows.map(({ name }) => name))]
  }
  let packages = 0
  /** One message for each package: the same however fast anybody is. */
  const talk = async (count: number, listening: () => boolean): Promise<void> => {
    for (let n = 0; n < count && listening(); n += 1) {
      packages += 1
      const name = `pkg${packages}`
      world.announce = 'keep'
      await world.prod.importBuild({ name, version: '1', release: '1', rpms })
      await world.prod.addPackage('f43', name)
      world.kept.length = 0
      world.announce = 'at once'
      await world.prod.tagBuild('f43', `${name}-1-1`)
      await sleep(random() * 40)
    }
  }
  let told = 0
  for (let kill = 0; kill < KILLS; kill += 1) {
    const child = world.spawn(program)
    const isMarked = said('message handled', { topic: 'tag', outcome: 'marked' })
    await talk(UNHEARD, () => true)
    await world.heard(child)
    let alive = true
    const talking = talk(HEARD, () => alive)
    talking.catch(() => {})
    const until = Math.floor(random() * (HEARD / 2))
    await child.log.until(`${until + 1} are marked`, () => child.log.count(isMarked) > until)
    await sleep(random() * 200)
    await child.kill()
    alive = false
    await talking
    told += child.log.count(isMarked)
  }
  const durable = await heard()
  // Whatever the daemons said that they had marked was durable; what they marked they did not always live to say.
  expect(told).toBeGreaterThanOrEqual(KILLS)
  expect(durable.length).toBeGreaterThanOrEqual(told)
  await drainQueue()
  const shown = await world.sql<{ name: string }>(
    `select p.name from tag_listing l join build b on b.id = l.build_id join package p on p.id = b.pkg_id where l.active`,
  )
  const names = new Set(shown.map(({ name }) => name))
  expect(durable.filter((name) => !names.has(name))).toEqual([])

  // What was sent while nobody listened is found by catch-up.
  world.breakCatchUp(false)
  await world.start()
  await world.equal()
})

const MOMENTS: readonly [at: string, change: 'retag' | 'build'][] = [
  ['sql.converge.commit', 'retag'],
  ['after:sql.converge.commit', 'retag'],
  ['after:file.symlink', 'build'],
  ['after:sql.build.commit', 'build'],
  ['hub.answer#3', 'build'],
]

test('killed at any of the dangerous moments, it heals at its next start', async () => {
  world = await e2eWorld()
  await world.prod.addTag('f43', { arches: 'x86_64' })
  await world.prod.addPackage('f43', 'bash')
  for (const release of ['first', 'second']) {
    await world.prod.importBuild({ name: 'bash', version: '5', release, rpms })
    await world.prod.tagBuild('f43', `bash-5-${release}`)
  }
  const healed = async (): Promise<void> => {
    await endLeases()
    await world.equal()
    await expect.poll(() => world.sql('select * from staging_sync.debt')).toEqual([])
    expect(await world.sql(`select * from staging_sync.placement where state <> 'placed'`)).toEqual([])
  }
  for (const [n, [at, change]] of MOMENTS.entries()) {
    const child = world.spawn(program, at)
    await child.log.until('it has caught up', said('catch-up finished'))
    await healed()
    child.signal('SIGUSR2')
    await child.log.until('it is armed', said('armed'))
    if (change === 'build')
      await world.prod.importBuild({ name: 'bash', version: '5', release: `${n}`, rpms })
    await (change === 'build' ? world.prod.tagBuild : world.prod.retagBuild)(
      'f43',
      change === 'build' ? `bash-5-${n}` : n % 2 === 0 ? 'bash-5-first' : 'bash-5-second',
    )
    expect([at, await child.ended]).toMatchObject([at, { signal: 'SIGKILL' }])
    // Somebody takes an event in staging meanwhile: a repo, say. What was owed is due.
    await world.sql('select get_event()')
  }
  await world.start()
  await healed()
})

test('SIGTERM in the middle of work ends it in order: exit 0, its claims given back, nobody left joined', async () => {
  world = await e2eWorld()
  const child = world.spawn(program)
  await world.heard(child)
  world.prodHub.knobs.delayPerCallMs = 20
  await world.prod.addTag('f43', { arches: 'x86_64' })
  for (const name of ['a', 'b', 'c', 'd']) {
    await world.prod.importBuild({ name, version: '1', release: '1', rpms })
    await world.prod.addPackage('f43', name)
    await world.prod.tagBuild('f43', `${name}-1-1`)
  }
  await world.told(child)
  expect(await child.stop()).toMatchObject({ code: 0, signal: null, stderr: '' })
  expect(child.log.count(said('service stopped'))).toBe(1)
  expect(await world.sql('select key from staging_sync.queue where token is not null')).toEqual([])
  expect(await world.sql('select * from staging_sync.daemon')).toEqual([])
  world.prodHub.knobs.delayPerCallMs = 0
  await world.start()
  await world.equal()
})
