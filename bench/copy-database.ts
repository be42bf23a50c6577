import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Cluster } from '../test/support/cluster.ts'

const run = promisify(execFile)

/** A copy of a database of the same cluster; nobody may be connected to it. Returns its address. */
export async function copyByTemplate(cluster: Cluster, fromUrl: string): Promise<string> {
  const from = decodeURIComponent(new URL(fromUrl).pathname.slice(1))
  const name = `copy_${process.hrtime.bigint()}`
  await execute(
    cluster.url('postgres'),
    `create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(from)}`,
  )
  await execute(cluster.url(name), 'analyze')
  return cluster.url(name)
}

/** A copy of a database elsewhere, by pg_dump and psql. Returns its address in the cluster. */
export async function copyByDump(cluster: Cluster, fromUrl: string, scratch: string): Promise<string> {
  const url = cluster.url(await cluster.createDatabase('none'))
  const file = join(scratch, 'prod.sql')
  await run('pg_dump', ['--no-owner', '--no-privileges', '--file', file, fromUrl])
  const quiet = ['--no-psqlrc', '--quiet', '--output', '/dev/null']
  await run('psql', [...quiet, '--set', 'ON_ERROR_STOP=1', '--file', file, url])
  await execute(url, 'analyze')
  return url
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
