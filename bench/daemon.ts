import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { Child, runChild } from './child.ts'
import type { BenchWorld } from './world.ts'

/** What the daemon, and with it every floor, may ask of prod's hub. */
export const HUB_CONCURRENCY = 4
export const HUB_REQUESTS_PER_SECOND = 200

/** The product: `init`, then `run` as a child process, from its config file. */
export interface Daemon {
  readonly pid: number
  /** A sum over the samples of a metric whose labels contain all of `labels`. */
  metric(name: string, labels?: readonly string[]): Promise<number>
  /** Resolves when the queue is empty. Throws when it is not after `timeoutMs`, or when the daemon has ended. */
  idle(timeoutMs: number): Promise<void>
  /** Keys in the queue that are not parked. */
  queued(): Promise<number>
  /** What may be wrong, for an error's text. */
  trouble(): Promise<string>
  stop(): Promise<void>
}

/** What a daemon needs to know of them. */
type Sides = Pick<BenchWorld, 'prod' | 'stagingUrl' | 'scratch'>

/** Catch-up begins where staging was copied and then rests: what is measured is the way of a message. */
function configText(world: Sides, options: { endpoint: string; httpPort: number }): string {
  const text = JSON.stringify
  return `
[prod]
hub = ${text(world.prod.hubUrl)}
topdir = ${text(world.prod.topdir)}
link_target = ${text(world.prod.topdir)}
allow_writable_mount = true
concurrency = ${HUB_CONCURRENCY}
requests_per_second = ${HUB_REQUESTS_PER_SECOND}
[prod.volumes]
DEFAULT = "prod"
[staging]
database = ${text(world.stagingUrl)}
topdir = ${text(join(world.scratch, 'staging'))}
[bus.fedmsg]
endpoints = [${text(options.endpoint)}]
validate_signatures = false
[scope]
builds = "all"
[catch_up]
interval_seconds = 86400
overlap_seconds = 0
[http]
listen = "127.0.0.1:${options.httpPort}"
[log]
level = "warn"
`
}

export async function startDaemon(
  world: Sides,
  options: { endpoint: string; profileDir: string | null },
): Promise<Daemon> {
  await mkdir(join(world.scratch, 'staging', 'packages'), { recursive: true })
  const httpPort = await freePort()
  const config = join(world.scratch, 'bench.toml')
  await writeFile(config, configText(world, { endpoint: options.endpoint, httpPort }))
  await runChild('src/main.ts', ['init', '--config', config])
  const flags = options.profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profileDir}`]
  const child = new Child('src/main.ts', ['run', '--config', config], flags)
  const client = new pg.Client({ connectionString: world.stagingUrl })
  await client.connect()
  const daemon: Daemon = {
    pid: child.pid,
    metric: async (name, labels = []) => {
      child.alive()
      const page = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text()
      return sumOf(page, name, labels)
    },
    async idle(timeoutMs) {
      const until = performance.now() + timeoutMs
      while ((await daemon.queued()) > 0) {
        child.alive()
        if (performance.now() > until)
          throw new Error(`the queue does not become empty; ${await daemon.trouble()}`)
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
    },
    async queued() {
      const { rows } = await client.query(
        'select count(*)::int as n from staging_sync.queue where parked_at is null',
      )
      return rows[0].n
    },
    trouble: async () =>
      `of the queue: ${await stuck(client)}; refused messages: ${await daemon.metric('kojisync_messages_refused_total')}; log: ${child.said.slice(-2000)}`,
    async stop() {
      await client.end()
      await child.stop()
    },
  }
  try {
    await caughtUp(daemon, child)
  } catch (error) {
    await daemon.stop()
    throw error
  }
  return daemon
}

/** Connected, and the catch-ups that the start and the connection ask for are done. */
async function caughtUp(daemon: Daemon, child: Child): Promise<void> {
  const name = 'kojisync_catchup_last_success_timestamp_seconds'
  const until = performance.now() + 60_000
  let [last, since] = [0, performance.now()]
  while (last === 0 || performance.now() - since < 2_500) {
    child.alive()
    if (performance.now() > until) throw new Error(`the daemon does not catch up: ${child.said.slice(-2000)}`)
    const now = await daemon.metric(name).catch(() => 0)
    if (now !== last) [last, since] = [now, performance.now()]
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await daemon.idle(60_000)
}

async function stuck(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    'select key, last_error, wait_reason, due_at, lease_until, attempts, expect from staging_sync.queue limit 3',
  )
  return JSON.stringify(rows)
}

function sumOf(page: string, name: string, labels: readonly string[]): number {
  return page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
