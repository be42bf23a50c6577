import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Converger, Convergers, Deps } from '../../src/converge/deps.ts'
import { convergeMigrations } from '../../src/converge/migrations.ts'
import { Scope } from '../../src/converge/scope.ts'
import { AgainError, KeyError, SyncError } from '../../src/errors.ts'
import { XmlRpcHub } from '../../src/hub/xml-rpc-hub.ts'
import { formatKey, type Key, parseTypedKey } from '../../src/model/key.ts'
import type { Outcome, Priority } from '../../src/model/outcome.ts'
import { Placements } from '../../src/operations/placements.ts'
import { queueMigrations } from '../../src/queue/migrations.ts'
import { PostgresQueue } from '../../src/queue/postgres-queue.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { Catalog } from '../../src/staging/catalog.ts'
import { type ClashReport, listClashes } from '../../src/staging/clashes.ts'
import { Database } from '../../src/staging/database.ts'
import { ownGrantsSql } from '../../src/staging/grants.ts'
import { initStaging } from '../../src/staging/init.ts'
import { Names } from '../../src/staging/names.ts'
import { numberSetting, readSettings } from '../../src/staging/settings.ts'
import { stagingMigrations } from '../../src/staging/tables.ts'
import { noStep, type Step } from '../../src/step.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { type SimulatedHub, startHub } from '../sim/hub.ts'
import { openWorld, type ProdWorld } from '../sim/prod-world.ts'
import type { KojiVersion } from '../support/koji-schema.ts'
import { testDatabase } from '../support/postgres.ts'
import { scratchHome } from '../support/scratch.ts'
import { SERVICE_ROLE, serviceUrl } from '../support/service-role.ts'
import { convergersOf } from './convergers.ts'
import { copyPast, fingerprint } from './worlds.ts'

const ID_FLOOR = 1_000_000_000

export interface TestSyncOptions {
  readonly version?: KojiVersion
  /** default: as prod's */
  readonly stagingVersion?: KojiVersion
  readonly scope?: { tags?: string[]; excludeTags?: string[]; builds?: 'tagged' | 'all' }
  readonly conflicts?: Partial<Deps['conflicts']>
  readonly tagRewrite?: Deps['tagRewrite']
  readonly externalRepoRewrite?: Deps['externalRepoRewrite']
  /** What both had in common when staging was copied from prod: same ids, same events. */
  readonly past?: (world: ProdWorld) => Promise<void>
}

/** How a key ended: its outcome, or the error that it failed with. */
export type Ended = Outcome | { readonly kind: 'failed'; readonly code: string; readonly reason: string }

type Parts =
  | 'prod'
  | 'local'
  | 'hub'
  | 'stagingUrl'
  | 'client'
  | 'database'
  | 'catalog'
  | 'queue'
  | 'prodTopdir'
  | 'stagingTopdir'

/** A prod and a staging with a daemon's parts between them, but for the daemon: keys are converged one after the other. */
export class TestSync {
  declare readonly prod: ProdWorld
  /** People who work in staging, as user `local`. */
  declare readonly local: ProdWorld
  declare readonly hub: SimulatedHub
  declare readonly stagingUrl: string
  declare readonly client: XmlRpcHub
  declare readonly database: Database
  declare readonly catalog: Catalog
  declare readonly queue: PostgresQueue
  declare readonly prodTopdir: string
  declare readonly stagingTopdir: string
  /** What `sync` marks with. A live import by hand is looked at again for some seconds, which a test need not wait for. */
  priority: Priority = 'live'
  /** What the step seam does; a test may throw from it. */
  onStep: Step = () => undefined
  readonly #base: Deps
  readonly #closers: (() => Promise<unknown>)[]

  private constructor(parts: Pick<TestSync, Parts>, base: Deps, closers: (() => Promise<unknown>)[]) {
    Object.assign(this, parts)
    this.#base = base
    this.#closers = closers
  }

  static async open(options: TestSyncOptions = {}): Promise<TestSync> {
    const version = options.version ?? '1.35.0'
    const closers: (() => Promise<unknown>)[] = []
    const root = await mkdtemp(join(scratchHome(), 'koji-staging-sync-converge-'))
    closers.push(() => rm(root, { recursive: true, force: true }))
    const [prodDatabase, stagingDatabase] = await Promise.all([
      testDatabase({ koji: version }),
      testDatabase({ koji: options.stagingVersion ?? version }),
    ])
    closers.push(
      () => prodDatabase.drop(),
      () => stagingDatabase.drop(),
    )
    const prodTopdir = join(root, 'prod')
    const stagingTopdir = join(root, 'staging')
    await mkdir(join(stagingTopdir, 'packages'), { recursive: true })
    const prod = await openWorld({ databaseUrl: prodDatabase.url, topdir: prodTopdir })
    const seedEvent =
      options.past === undefined ? null : await copyPast(prod, stagingDatabase.url, options.past)
    const local = await openWorld({ databaseUrl: stagingDatabase.url, user: 'local' })
    closers.push(
      () => prod.close(),
      () => local.close(),
    )
    const hub = await startHub({ databaseUrl: prodDatabase.url, version })
    closers.push(() => hub.close())

    let sync: TestSync | undefined
    const step: Step = (name, detail) => sync?.onStep(name, detail)
    const connection = { applicationName: 'converge-test', poolSize: 6, connectTimeoutMs: 5_000 }
    const ownerDatabase = await Database.create({ ...connection, url: stagingDatabase.url, step: noStep })
    const catalog = await Catalog.read(ownerDatabase)
    await initStaging({
      database: ownerDatabase,
      catalog,
      migrations: [...stagingMigrations, ...queueMigrations, ...convergeMigrations],
      userName: 'koji-staging-sync',
      idFloor: ID_FLOOR,
      prodMax: {},
    })
    await ownerDatabase.query('test', ownGrantsSql(SERVICE_ROLE), [], { prepare: false })
    await ownerDatabase.destroy()
    const database = await Database.create({ ...connection, url: serviceUrl(stagingDatabase.url), step })
    closers.push(() => database.destroy())
    const settings = await readSettings(database)
    const queue = new PostgresQueue({
      database,
      holder: 'test',
      random: () => 0,
      monotonicMs: () => performance.now(),
      timing: { backoffBaseMs: 1, backoffCeilingMs: 1, fullScanMs: 0, maxAttempts: 5, waitBaseMs: 5_000 },
    })
    const client = new XmlRpcHub({
      url: hub.url,
      requestsPerSecond: 10_000,
      concurrency: 4,
      timeoutMs: 10_000,
    })
    closers.push(() => client.destroy())
    const volume = new VolumePlacement({
      prodTopdir,
      linkTarget: prodTopdir,
      stagingTopdir,
      linkOwner: 'any',
      fsync: false,
      step,
    })
    const base: Deps = {
      hub: client,
      database,
      catalog,
      queue,
      names: new Names({ database, catalog }),
      scope: new Scope({ tags: ['*'], excludeTags: [], builds: 'tagged', sideTags: false, ...options.scope }),
      owner: {
        userId: numberSetting(settings, 'user_id') as number,
        seedEvent,
      },
      conflicts: { build: 'hold', tag: 'prod-wins', onRemoved: 'hold', ...options.conflicts },
      placement: new Placements({
        rules: [{ mode: 'volume', tags: null, packages: null, btypes: null }],
        placements: [volume],
        volumes: { DEFAULT: 'prod' },
      }),
      tagRewrite: options.tagRewrite ?? [],
      externalRepoRewrite: options.externalRepoRewrite ?? [],
    }
    sync = new TestSync(
      {
        prod,
        local,
        hub,
        stagingUrl: stagingDatabase.url,
        client,
        database,
        catalog,
        queue,
        prodTopdir,
        stagingTopdir,
      },
      base,
      closers,
    )
    return sync
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close()
  }

  deps(change: Partial<Deps> = {}): Deps {
    return { ...this.#base, ...change }
  }

  /** Marks keys (as people type them), then converges until nothing is due. Ends by key, the last of each. */
  async sync(keys: readonly (string | Key)[], change: Partial<Deps> = {}): Promise<Map<string, Ended>> {
    const { priority } = this
    await this.queue.mark(
      keys.map((key) => ({ key: typeof key === 'string' ? parseTypedKey(key) : key, priority })),
    )
    return this.drain(change)
  }

  /** The same for one key, by its real name; how it ended. */
  async one(key: string, change: Partial<Deps> = {}): Promise<Ended> {
    const ended = (await this.sync([key], change)).get(key)
    if (ended === undefined) throw new Error(`${key} never ended`)
    return ended
  }

  async drain(change: Partial<Deps> = {}): Promise<Map<string, Ended>> {
    const convergers = convergersOf(this.deps(change))
    const ended = new Map<string, Ended>()
    for (let round = 0; ; round += 1) {
      if (round > 500) throw new Error(`the queue does not come to rest: ${[...ended.keys()].join(' ')}`)
      const claims = await this.queue.claim(20)
      for (const claim of claims) ended.set(formatKey(claim.key), await this.#round(convergers, claim))
      if (claims.length > 0) continue
      const due = await this.queue.nextDueMs()
      if (due === null || due > 1_000) return ended
      await new Promise((resolve) => setTimeout(resolve, Math.max(1, due)))
    }
  }

  async #round(convergers: Convergers, claim: Claim): Promise<Ended> {
    const converger = convergers[claim.key.kind] as Converger
    try {
      const result = await converger.converge(claim.key, claim, new AbortController().signal)
      if (!result.fenced) {
        await this.queue.finish([{ claim, outcome: result.outcome, relook: result.unmet }])
      }
      return result.outcome
    } catch (error) {
      if (error instanceof AgainError) {
        await this.queue.release([claim], { delayMs: 1 })
        return { kind: 'again', reason: `${error.code}: ${error.message}` }
      }
      if (!(error instanceof KeyError)) {
        await this.queue.release([claim], { delayMs: 0 })
        throw error
      }
      await this.queue.fail(claim, {
        reason: error.message,
        code: error.code,
        park: error.code !== 'LOOKUP_UNKNOWN',
      })
      return { kind: 'failed', code: error.code, reason: error.message }
    }
  }

  /** What stands in the queue. */
  async queued(): Promise<string[]> {
    const rows = await this.database.query<{ key: string }>(
      'test.queue',
      'select key from staging_sync.queue order by key',
    )
    return rows.map((row) => row.key)
  }

  /** Forgets the queue: for a test that stops in the middle. */
  async clearQueue(): Promise<void> {
    await this.database.query('test.clear', 'delete from staging_sync.queue')
  }

  /** Open clashes. */
  async clashes(key?: string): Promise<ClashReport[]> {
    const found = await listClashes(this.database, key === undefined ? {} : { key })
    return found
      .filter((clash) => clash.state !== 'resolved')
      .map(({ subject, kind, prod, local, decision }) => ({ subject, kind, prod, local, decision }))
  }

  /** Every row version of Koji's tables in staging, and how many events there are: equal exactly if nothing was written. */
  async fingerprint(): Promise<Record<string, string>> {
    return fingerprint(this.local)
  }
}

/** An error that no code of ours throws: a crash. */
export class Crash extends SyncError {
  constructor(at: string) {
    super('TEST_CRASH', `crashed at ${at}`)
  }
}
