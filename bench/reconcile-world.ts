import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { kojiSchemaSql } from '../test/support/koji-schema.ts'
import { Child } from './child.ts'
import { type Bulk, bulkOf, makeBulk } from './reconcile-content.ts'
import { SystemPostgres } from './system-postgres.ts'

/** A prod of many builds behind its hub, and a staging with our tables. */
export interface BulkWorld {
  readonly bulk: Bulk
  readonly hubUrl: string
  readonly prodUrl: string
  /** prod's tree, with a directory for each build */
  readonly topdir: string
  readonly stagingUrl: string
  /** the product's configuration */
  readonly config: string
}

export interface BulkWorldOptions {
  readonly builds: number
  /** staging is a copy of prod, or an empty Koji */
  readonly staging: 'copy' | 'empty'
  /** where prod's content is kept for the next run; absent: it is made anew, and goes */
  readonly keep?: string | undefined
}

/** Both sides lie in one server of their own, fsync on. */
export async function inBulkWorld<T>(
  { builds, staging, keep }: BulkWorldOptions,
  work: (world: BulkWorld) => Promise<T>,
): Promise<T> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    const scratch = await mkdtemp(join(tmpdir(), 'koji-staging-sync-bench-'))
    closers.push(() => rm(scratch, { recursive: true, force: true }))
    const server = await SystemPostgres.start({ keep })
    closers.push(() => server.remove())
    const topdir = join(keep ?? scratch, `tree-${builds}`)
    const content = await contentOf(server, builds, topdir)
    await server.execute('postgres', 'drop database if exists prod')
    await server.execute('postgres', `create database prod template ${content}`)
    await server.execute('postgres', 'drop database if exists staging')
    if (staging === 'copy') {
      await server.execute('postgres', `create database staging template ${content}`)
      await server.execute('staging', 'vacuum analyze')
    } else {
      await server.execute('postgres', 'create database staging')
      await server.execute('staging', kojiSchemaSql('1.35.0'))
    }
    await server.execute('prod', 'vacuum analyze')
    await server.execute('postgres', 'checkpoint')
    const simulator = new Child('bench/simulator.ts', [server.url('prod')])
    closers.push(() => simulator.stop())
    const hubUrl = await simulator.says((text) => /^(http:.*)\n/m.exec(text)?.[1] ?? null)
    await mkdir(join(scratch, 'staging', 'packages', 'other'), { recursive: true })
    const config = join(scratch, 'bench.toml')
    const stagingUrl = server.url('staging')
    await writeFile(config, configText({ scratch, topdir, hubUrl, stagingUrl }))
    return await work({
      bulk: bulkOf(builds),
      hubUrl,
      prodUrl: server.url('prod'),
      topdir,
      stagingUrl,
      config,
    })
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** A database with the content, which is never changed. Returns its name. */
async function contentOf(server: SystemPostgres, builds: number, topdir: string): Promise<string> {
  const name = `content_${builds}`
  if ((await hasDatabase(server, name)) && existsSync(topdir)) return name
  await server.execute('postgres', 'drop database if exists making')
  await server.execute('postgres', `drop database if exists ${name}`)
  await rm(topdir, { recursive: true, force: true })
  await server.execute('postgres', 'create database making')
  await server.execute('making', kojiSchemaSql('1.35.0'))
  // An empty tree is one that is not mounted.
  await mkdir(join(topdir, 'packages', 'other'), { recursive: true })
  await makeBulk(server.url('making'), { builds, topdir, whole: true })
  await server.execute('postgres', `alter database making rename to ${name}`)
  return name
}

async function hasDatabase(server: SystemPostgres, name: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: server.url('postgres') })
  await client.connect()
  try {
    return (await client.query('select 1 from pg_database where datname = $1', [name])).rows.length > 0
  } finally {
    await client.end()
  }
}

/** Neither rate nor concurrency is the measure here: the first does not bind, the second is as delivered. */
function configText(at: { scratch: string; topdir: string; hubUrl: string; stagingUrl: string }): string {
  const text = JSON.stringify
  return `
[prod]
hub = ${text(at.hubUrl)}
topdir = ${text(at.topdir)}
link_target = ${text(at.topdir)}
allow_writable_mount = true
requests_per_second = 1000
[prod.volumes]
DEFAULT = "prod"
[staging]
database = ${text(at.stagingUrl)}
topdir = ${text(join(at.scratch, 'staging'))}
[bus.fedmsg]
validate_signatures = false
[http]
listen = "off"
[log]
level = "warn"
`
}
