import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type BusPublisher, startBus } from '../sim/bus-publisher.ts'
import { type CompareOptions, compareHubs, describeDifference } from '../sim/compare.ts'
import { type SimulatedHub, startHub } from '../sim/hub.ts'
import type { Signer } from '../sim/pki.ts'
import { openWorld, type ProdWorld } from '../sim/prod-world.ts'
import { Fault, faultCode } from '../sim/wire-value.ts'
import type { Announcement } from '../sim/world/transaction.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { testDatabase } from '../support/postgres.ts'
import { scratchHome } from '../support/scratch.ts'
import { grantOnOurs, serviceUrl } from '../support/service-role.ts'
import { ChildDaemon, type Daemon, type HereDaemon, type HereOptions, openHere, startHere } from './daemon.ts'
import { type LogLine, said } from './log-lines.ts'
import type { Program } from './program.ts'
import { Relay } from './relay.ts'

export const PREFIX = 'org.fedoraproject.prod.buildsys.'

export interface WorldOptions {
  /** staging's database, where it is not one of the shared server's */
  readonly stagingUrl?: string
  /** who signs what prod announces; default: nobody, and signatures are not checked */
  readonly signer?: Signer
  /** lines of the section bus.fedmsg; default: signatures are not checked */
  readonly busConfig?: string
  /** more lines at the end of the configuration file */
  readonly config?: string
  /** default true: staging is prepared */
  readonly init?: boolean
  /** default: the service's own; `owner` for what makes databases (seed) */
  readonly role?: 'owner'
}

/** Two Kojis with hubs and trees, a bus between them, and a configuration file for daemons. */
export interface E2eWorld {
  readonly root: string
  /** the configuration */
  readonly file: string
  /** for `init`: what makes it another user's, who owns the tables */
  readonly asOwner: readonly [string, string]
  /** after such an `init` */
  grant(): Promise<void>
  readonly prod: ProdWorld
  /** people who work in staging */
  readonly local: ProdWorld
  readonly prodHub: SimulatedHub
  /** how daemons reach prod's hub */
  readonly way: Relay
  readonly stagingHub: SimulatedHub
  readonly bus: BusPublisher
  /** What prod announces goes to the bus at once; or waits in `kept`. */
  announce: 'at once' | 'keep'
  readonly kept: Announcement[]
  /** A daemon in this process that hears the bus, and has caught up unless `catchUp` is off. */
  start(options?: Partial<HereOptions> & { catchUp?: 'wait' | 'off' }): Promise<HereDaemon>
  /** The same in a process of its own. */
  spawn(program: Program, killAt?: string): ChildDaemon
  /** Resolves when the daemon has counted a message: from now on it misses none. */
  heard(daemon: Daemon): Promise<void>
  /** Resolves when the daemons have handled all that prod announced since they were ready. */
  told(...daemons: Daemon[]): Promise<void>
  /** Statements in staging's database. */
  sql<R = Record<string, unknown>>(text: string, values?: unknown[]): Promise<R[]>
  /** Resolves when staging shows what prod shows; rejects with the differences when they no longer change. */
  equal(options?: Partial<CompareOptions>): Promise<void>
  differences(options?: Partial<CompareOptions>): Promise<string[]>
  /** Resolves when nothing is left to do in the queue; rejects with what is left when that no longer changes. */
  settled(): Promise<void>
  /** Catch-up fails from now on (or works again), so that only messages tell; so does the look for promotions. */
  breakCatchUp(broken: boolean): void
  /** Called before anything is closed: lets go what a test holds. */
  closing(closer: () => unknown): void
  close(): Promise<void>
}

export async function e2eWorld(options: WorldOptions = {}): Promise<E2eWorld> {
  const closers: (() => unknown)[] = []
  const first: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const closer of first.splice(0)) await closer()
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    return await build(options, { closers, first, close })
  } catch (error) {
    await close()
    throw error
  }
}

async function build(
  options: WorldOptions,
  {
    closers,
    first,
    close,
  }: { closers: (() => unknown)[]; first: (() => unknown)[]; close: () => Promise<void> },
): Promise<E2eWorld> {
  const kept = <T extends { close(): unknown }>(part: T): T => {
    closers.push(() => part.close())
    return part
  }
  const root = await mkdtemp(join(scratchHome(), 'kss-e2e-'))
  closers.push(() => rm(root, { recursive: true, force: true }))
  for (const tree of ['prod', 'staging']) await mkdir(join(root, tree, 'packages'), { recursive: true })
  const prodDatabase = await testDatabase()
  closers.push(() => prodDatabase.drop())
  const stagingUrl = options.stagingUrl ?? (await ownDatabase(closers))
  const bus = kept(await startBus(options.signer === undefined ? {} : { signer: options.signer }))
  let world: E2eWorld | undefined
  let published = 0
  const ready = new WeakMap<Daemon, number>()
  const announce = async (announcement: Announcement): Promise<void> => {
    if (world?.announce === 'at once') {
      published += 1
      await bus.publish(announcement)
    } else world?.kept.push(announcement)
  }
  const prod = kept(await openWorld({ databaseUrl: prodDatabase.url, topdir: join(root, 'prod'), announce }))
  const local = kept(
    await openWorld({ databaseUrl: stagingUrl, topdir: join(root, 'staging'), user: 'local' }),
  )
  const prodHub = kept(await startHub({ databaseUrl: prodDatabase.url }))
  const way = kept(await Relay.to(prodHub.url))
  const stagingHub = kept(await startHub({ databaseUrl: stagingUrl }))
  const staging = new pg.Pool({ connectionString: stagingUrl, max: 2 })
  staging.on('error', () => {})
  staging.on('connect', (client) => client.on('error', () => {}))
  closers.push(() => staging.end())
  const file = join(root, 'config.toml')
  await writeFile(
    file,
    configText({
      root,
      hub: way.url,
      database: options.role === 'owner' ? stagingUrl : serviceUrl(stagingUrl),
      bus: bus.endpoint,
      busConfig: options.busConfig ?? 'validate_signatures = false',
    }) + (options.config ?? ''),
  )
  // So that prod has an event, and its tree is one.
  await prod.addTag('first', { arches: 'x86_64' })
  await mkdir(join(root, 'prod', 'packages', 'bash'), { recursive: true })

  const sql = async <R>(text: string, values: unknown[] = []): Promise<R[]> =>
    (await staging.query(text, values)).rows as R[]
  const made: E2eWorld = {
    root,
    file,
    asOwner: ['--set', `staging.database=${stagingUrl}`],
    grant: () => grantOnOurs(stagingUrl),
    prod,
    local,
    prodHub,
    way,
    stagingHub,
    bus,
    announce: 'at once',
    kept: [],
    sql,
    start: async ({ catchUp = 'wait', ...rest } = {}) => {
      const daemon = await startHere({ file, ...rest })
      closers.push(() => daemon.stop())
      await heard(bus, daemon)
      ready.set(daemon, published - daemon.log.count(isKoji))
      if (catchUp === 'wait') await caughtUp(daemon)
      return daemon
    },
    spawn: (program, killAt) => {
      const daemon = new ChildDaemon(file, program, killAt)
      closers.push(() => daemon.kill())
      return daemon
    },
    heard: async (daemon) => {
      await heard(bus, daemon)
      ready.set(daemon, published - daemon.log.count(isKoji))
    },
    told: async (...daemons) => {
      for (const daemon of daemons) {
        const wanted = published - (ready.get(daemon) ?? 0)
        await daemon.log.until(`${wanted} messages`, () => daemon.log.count(isKoji) >= wanted)
      }
    },
    equal: (what = {}) => equal(made, what),
    differences: (what = {}) => differences(made, what),
    settled: () => settled(made),
    breakCatchUp: (broken) => breakCatchUp(prodHub, broken),
    closing: (closer) => first.push(closer),
    close,
  }
  world = made
  if (options.init !== false) await prepare(file, stagingUrl)
  return made
}

async function ownDatabase(closers: (() => unknown)[]): Promise<string> {
  const database = await testDatabase()
  closers.push(() => database.drop())
  return database.url
}

/** As the owner: the service itself may not move sequences, nor make schemas. */
async function prepare(file: string, stagingUrl: string): Promise<void> {
  const { operations } = await openHere({ file, set: [`staging.database=${stagingUrl}`] })
  try {
    await operations.init(new AbortController().signal)
    await grantOnOurs(stagingUrl)
  } finally {
    await operations.destroy()
  }
}

function configText(at: {
  root: string
  hub: string
  database: string
  bus: string
  busConfig: string
}): string {
  return `
[prod]
hub = "${at.hub}"
topdir = "${join(at.root, 'prod')}"
link_target = "${join(at.root, 'prod')}"
requests_per_second = 2000
timeout_seconds = 5
history_timeout_seconds = 5
allow_writable_mount = true
[staging]
database = "${at.database}"
topdir = "${join(at.root, 'staging')}"
[bus.fedmsg]
endpoints = ["${at.bus}"]
${at.busConfig}
[catch_up]
interval_seconds = 3600
[worker]
shutdown_grace_seconds = 5
[http]
listen = "127.0.0.1:0"
linger_seconds = 0
[log]
level = "debug"
`
}

/** A message of Koji was handled; not one of `heard`. */
function isKoji(line: LogLine): boolean {
  return line.msg === 'message handled' && line.topic !== 'unknown'
}

/** Publishes until one is counted: what is sent before a subscription is there is lost. */
async function heard(bus: BusPublisher, daemon: Daemon): Promise<void> {
  const topic = `hello.${randomUUID()}`
  let done = false
  const counted = daemon.log
    .until('a message is counted', said('message handled', { topic: 'unknown' }), {
      from: daemon.log.all.length,
    })
    .finally(() => {
      done = true
    })
  counted.catch(() => {})
  while (!done) {
    await bus.publish({ topic, body: {} })
    await Promise.race([sleep(20), counted.catch(() => {})])
  }
  await counted
}

/** The connection asked for a catch-up; this waits for one that began after it. */
async function caughtUp(daemon: Daemon): Promise<void> {
  const { log } = daemon
  const after = async (what: string, from: number): Promise<number> =>
    log.all.indexOf(await log.until(what, said(what), { from }))
  const connected = await after('bus connection changed', 0)
  await after('catch-up finished', await after('catch-up started', connected))
}

export async function differences(world: E2eWorld, what: Partial<CompareOptions>): Promise<string[]> {
  const { prodHub, stagingHub } = world
  const found = await compareHubs({ prod: prodHub.url, staging: stagingHub.url, builds: 'tagged', ...what })
  return found.differences.map((difference) => describeDifference(difference).slice(0, 500))
}

/** Fails when it is told the same for so long: a slow machine makes progress too. */
function progress(): (left: readonly unknown[], what: string) => void {
  let last = ''
  let sinceMs = performance.now()
  return (left, what) => {
    const now = JSON.stringify(left)
    if (now !== last) sinceMs = performance.now()
    last = now
    if (performance.now() - sinceMs > PATIENCE_MS) throw new Error(`${what} ${now.slice(0, 5_000)}`)
  }
}

async function equal(world: E2eWorld, what: Partial<CompareOptions>): Promise<void> {
  const look = progress()
  for (;;) {
    await settled(world)
    const found = await differences(world, what)
    if (found.length === 0) return
    look(found, 'still different:')
    await sleep(50)
  }
}

/** Keys that only look again for what a message claimed are settled too. */
async function settled(world: E2eWorld): Promise<void> {
  const look = progress()
  for (;;) {
    // What changes though nothing gets on (claims, times) is left out.
    const rows = await world.sql<{ key: string }>(
      `select key, generation, attempts, waits, last_error, wait_reason, expect from staging_sync.queue
        where parked_at is null and (expect is null or waiting_for <> '{}' or due_at <= clock_timestamp()
          or lease_until is not null) order by key`,
    )
    if (rows.length === 0) return
    look(rows, 'still queued:')
    await sleep(10)
  }
}

function breakCatchUp(hub: SimulatedHub, broken: boolean): void {
  const fail = async (): Promise<void> => {
    hub.knobs.beforeNext('getLastEvent', fail)
    throw new Fault(faultCode.generic, 'catch-up is off in this test')
  }
  hub.knobs.beforeNext('getLastEvent', broken ? fail : async () => {})
}
