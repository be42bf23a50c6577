import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openWorld, type ProdWorld } from '../test/sim/prod-world.ts'
import { kojiSchemaSql } from '../test/support/koji-schema.ts'
import { Child } from './child.ts'
import { makeBulk } from './reconcile-content.ts'
import { type Result, result } from './results.ts'
import { SystemPostgres } from './system-postgres.ts'

const SMALL = 20_000
const LARGE = 100_000
/** Builds, and as many taggings, that prod makes after the dump. */
const SINCE = 20

interface Measured {
  readonly seedMs: number
  readonly catchUpMs: number
  /** that the catch-up marked */
  readonly keys: number
  readonly downtimeMs: number
  readonly restoreMs: number
}

/**
 * From a dump of prod's to a staging that shows what prod shows: `seed --dump --swap` and the first catch-up, beside pg_restore of the same
 * dump (format custom, one job) into the same server.
 */
export async function measureSeed(options: { readonly large: boolean }): Promise<Result[]> {
  const builds = options.large ? LARGE : SMALL
  const { seedMs, catchUpMs, keys, downtimeMs, restoreMs } = await measureAt(builds)
  const name = `seed of ${builds} builds`
  return [
    result(`${name}, swap and first catch-up, beside pg_restore`, 's', {
      value: (seedMs + catchUpMs) / 1000,
      floor: restoreMs / 1000,
      goal: 1.2,
    }),
    result(`${name}, staging down, beside five seconds`, 's', {
      value: downtimeMs / 1000,
      floor: 5,
      goal: 1,
    }),
    result(`${name}, keys of the first catch-up, beside changes since the dump`, 'keys', {
      value: keys,
      floor: 2 * SINCE,
      goal: 5,
    }),
  ]
}

async function measureAt(builds: number): Promise<Measured> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    const scratch = await mkdtemp(join(tmpdir(), 'koji-staging-sync-bench-'))
    closers.push(() => rm(scratch, { recursive: true, force: true }))
    const topdir = join(scratch, 'prod')
    for (const tree of ['prod', 'staging'])
      await mkdir(join(scratch, tree, 'packages', 'other'), { recursive: true })
    const server = await SystemPostgres.start()
    closers.push(() => server.remove())
    for (const name of ['prod', 'staging', 'restored'])
      await server.execute('postgres', `create database ${name}`)
    for (const name of ['prod', 'staging']) await server.execute(name, kojiSchemaSql('1.35.0'))
    await makeBulk(server.url('prod'), { builds, topdir })
    // An event a minute: a dump has years of which the overlap is little.
    await server.execute(
      'prod',
      "update events set time = now() - ((select max(id) from events) - id) * interval '1 minute'",
    )
    const dump = join(scratch, 'koji.dump')
    await run(server.program('pg_dump'), [
      '--format=custom',
      '--no-owner',
      `--file=${dump}`,
      server.url('prod'),
    ])

    const simulator = new Child('bench/simulator.ts', [server.url('prod')])
    closers.push(() => simulator.stop())
    const hub = await simulator.says((text) => /^(http:.*)\n/m.exec(text)?.[1] ?? null)
    const config = join(scratch, 'bench.toml')
    await writeFile(
      config,
      configText({ hub, topdir, staging: join(scratch, 'staging'), database: server.url('staging') }),
    )
    const work = await openWorld({ databaseUrl: server.url('prod'), topdir })
    closers.push(() => work.close())
    await goOn(work)

    await server.execute('restored', 'checkpoint')
    const restoreMs = await timed(() =>
      run(server.program('pg_restore'), [
        '--no-owner',
        '--jobs=1',
        '--exit-on-error',
        `--dbname=${server.url('restored')}`,
        dump,
      ]),
    )
    await server.execute('postgres', 'drop database restored')
    await server.execute('postgres', 'checkpoint')
    let said = ''
    const kss = async (...argv: string[]): Promise<void> => {
      said = await run(process.execPath, ['--import', 'tsx', 'src/main.ts', ...argv, '--config', config])
    }
    const seedMs = await timed(() =>
      kss('seed', '--json', '--free', '1000000000000', '--dump', dump, '--swap'),
    )
    const lines = said
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const downtimeMs = Number(lines.find(({ kind }) => kind === 'swapped')?.downtimeMs)
    const catchUpMs = await timed(() => kss('catch-up'))
    const end = JSON.parse(said.trim().split('\n').at(-1) ?? '') as { keys: number }
    console.log(
      `seed of ${builds} builds (${Math.round((await stat(dump)).size / 1e6)} MB): ${Math.round(seedMs)} ms, down ${Math.round(downtimeMs)} ms, ` +
        `catch-up ${Math.round(catchUpMs)} ms for ${end.keys} keys; pg_restore ${Math.round(restoreMs)} ms`,
    )
    return { seedMs, catchUpMs, keys: end.keys, downtimeMs, restoreMs }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

function configText(at: { hub: string; topdir: string; staging: string; database: string }): string {
  const text = JSON.stringify
  return `
[prod]
hub = ${text(at.hub)}
topdir = ${text(at.topdir)}
link_target = ${text(at.topdir)}
allow_writable_mount = true
requests_per_second = 200
[staging]
database = ${text(at.database)}
topdir = ${text(at.staging)}
[scope]
builds = "all"
[seed]
jobs = 1
[bus.fedmsg]
endpoints = ["tcp://127.0.0.1:1"]
validate_signatures = false
`
}

async function goOn(work: ProdWorld): Promise<void> {
  for (let n = 0; n < SINCE; n += 1) {
    const name = `bulk-pkg-${String(n).padStart(5, '0')}`
    const { id } = await work.importBuild({
      name,
      version: '900',
      release: '1.fc43',
      rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
    })
    await work.tagBuild('bulk-tag-01', id)
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** Runs a program to its end, which must be a good one; what it said. */
async function run(program: string, argv: readonly string[]): Promise<string> {
  const child = spawn(program, argv, {
    cwd: join(import.meta.dirname, '..'),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [said, complained] = ['', '']
  child.stdout.on('data', (chunk) => {
    said += chunk
  })
  child.stderr.on('data', (chunk) => {
    complained += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${complained.slice(-2000)}`)
  return said
}
