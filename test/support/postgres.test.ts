import { execFileSync, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, startCluster } from './cluster.ts'
import { clusterDirPrefix } from './cluster-guard.ts'
import { scratchHomes } from './scratch.ts'

const one = async (url: string) => {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query('SELECT count(*)::int AS n FROM btype')).rows[0].n as number
  } finally {
    await client.end()
  }
}

describe('a cluster of one test', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ durable: true })
  })
  afterAll(() => cluster.remove())

  it('keeps its data and its port when it is stopped, or crashes, and is started again', async () => {
    const url = cluster.url(await cluster.createDatabase('1.35.0'))
    expect(await one(url)).toBe(4)
    await cluster.stop()
    await expect(one(url)).rejects.toThrow(/ECONNREFUSED/)
    await cluster.start()
    expect(await one(url)).toBe(4)
    await cluster.stop({ crash: true })
    await cluster.start()
    expect(await one(url)).toBe(4)
  })

  it('is not crashed where that would take commits away', async () => {
    const quick = await startCluster()
    await expect(quick.stop({ crash: true })).rejects.toThrow('a crash takes commits away')
    await quick.remove()
  })

  it('refuses a wrong password', async () => {
    const url = cluster.url('postgres').replace(/:[^:@]*@/, ':wrong@')
    await expect(one(url)).rejects.toThrow(/password authentication failed/)
  })
})

it('leaves neither process nor directory when its owner is killed', async () => {
  const script = `import { startCluster } from '${new URL('./cluster.ts', import.meta.url).href}'
    await startCluster(); console.log('up'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  const mine = () =>
    scratchHomes().flatMap((home) =>
      readdirSync(home)
        .filter((name) => name.startsWith(`${clusterDirPrefix}${child.pid}-`))
        .map((name) => join(home, name)),
    )
  const processes = () => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
  const dir = mine().find((name) => !name.endsWith('-server'))
  expect(dir).toBeDefined()
  expect(processes()).toContain(`-D ${dir}`)
  child.kill('SIGKILL')
  await expect.poll(mine, { interval: 100 }).toEqual([])
  await expect.poll(processes, { interval: 100 }).not.toContain(dir)
})
