import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from '../test/support/cluster.ts'
import { Child, runChild } from './child.ts'
import { copyByTemplate } from './copy-database.ts'
import { makeBulk } from './reconcile-content.ts'
import { readFloors } from './reconcile-floor.ts'
import { type Result, result } from './results.ts'

const EMPTY_GOAL = 1.2
const SNAPSHOT_GOAL = 1.5
/** At another size: cost per build, and memory, within 30 %. */
const FLAT_GOAL = 1.3

/** How a command ended. */
interface Ran {
  readonly ms: number
  /** the most that it had resident, MB */
  readonly rssMb: number
  readonly said: string
}

/**
 * A reconcile that finds nothing (staging is a copy of prod), at the given size and at a tenth of it; and one from nothing.
 */
export async function measureReconcile(options: {
  readonly builds: number
  readonly snapshotBuilds: number
  readonly profileDir: string | null
}): Promise<Result[]> {
  const { builds, snapshotBuilds, profileDir } = options
  const small = await measureEmpty(Math.ceil(builds / 10), null)
  const large = await measureEmpty(builds, profileDir)
  const empty = `reconcile of ${builds} equal builds`
  const results = [
    result(empty, 's', { value: large.ran.ms / 1000, floor: large.floorMs / 1000, goal: EMPTY_GOAL }),
    result(`${empty}, a build, beside ${Math.ceil(builds / 10)}`, 'ms', {
      value: large.ran.ms / builds,
      floor: small.ran.ms / Math.ceil(builds / 10),
      goal: FLAT_GOAL,
    }),
    result(`${empty}, memory, beside ${Math.ceil(builds / 10)}`, 'MB', {
      value: large.ran.rssMb,
      floor: small.ran.rssMb,
      goal: FLAT_GOAL,
    }),
  ]
  if (snapshotBuilds === 0) return results
  const snapshot = await measureSnapshot(snapshotBuilds, profileDir)
  console.log(`snapshot of ${snapshotBuilds} builds: at most ${Math.round(snapshot.ran.rssMb)} MB resident`)
  results.push(
    result(`snapshot of ${snapshotBuilds} builds`, 's', {
      value: snapshot.ran.ms / 1000,
      floor: snapshot.floorMs / 1000,
      goal: SNAPSHOT_GOAL,
    }),
  )
  return results
}

interface Measured {
  readonly ran: Ran
  readonly floorMs: number
}

function measureEmpty(builds: number, profileDir: string | null): Promise<Measured> {
  return inWorld({ builds, copied: true }, async ({ config, hubUrl, bulk }) => {
    const before = (await readFloors(hubUrl, bulk)).compareMs
    const ran = await run(['reconcile', '--dry-run', '--config', config], profileDir)
    if (!ran.said.includes('no difference')) throw new Error(`it found differences: ${ran.said}`)
    const floorMs = Math.min(before, (await readFloors(hubUrl, bulk)).compareMs)
    console.log(
      `empty, ${builds} builds: ${Math.round(ran.ms)} ms, ${Math.round(ran.rssMb)} MB; floor ${Math.round(floorMs)} ms`,
    )
    return { ran, floorMs }
  })
}

function measureSnapshot(builds: number, profileDir: string | null): Promise<Measured> {
  return inWorld({ builds, copied: false }, async ({ config, hubUrl, bulk }) => {
    const floorMs = (await readFloors(hubUrl, bulk)).pagesMs
    const ran = await run(['reconcile', '--config', config], profileDir)
    console.log(
      `snapshot, ${builds} builds: ${Math.round(ran.ms)} ms, ${Math.round(ran.rssMb)} MB; floor ${Math.round(floorMs)} ms`,
    )
    return { ran, floorMs }
  })
}

async function inWorld<T>(
  { builds, copied }: { builds: number; copied: boolean },
  work: (at: { config: string; hubUrl: string; bulk: Awaited<ReturnType<typeof makeBulk>> }) => Promise<T>,
): Promise<T> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    const scratch = await mkdtemp(join(tmpdir(), 'koji-staging-sync-bench-'))
    closers.push(() => rm(scratch, { recursive: true, force: true }))
    for (const tree of ['prod', 'staging'])
      await mkdir(join(scratch, tree, 'packages', 'other'), { recursive: true })
    const cluster = await startCluster({ durable: true })
    closers.push(() => cluster.remove())
    const prodUrl = cluster.url(await cluster.createDatabase('1.35.0'))
    const bulk = await makeBulk(prodUrl, { builds, topdir: copied ? null : join(scratch, 'prod') })
    const stagingUrl = copied
      ? await copyByTemplate(cluster, prodUrl)
      : cluster.url(await cluster.createDatabase('1.35.0'))
    const simulator = new Child('bench/simulator.ts', [prodUrl])
    closers.push(() => simulator.stop())
    const hubUrl = await simulator.says((text) => /^(http:.*)\n/m.exec(text)?.[1] ?? null)
    const config = join(scratch, 'bench.toml')
    await writeFile(config, configText({ scratch, hubUrl, stagingUrl }))
    await runChild('src/main.ts', ['init', '--config', config])
    return await work({ config, hubUrl, bulk })
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

async function run(argv: readonly string[], profileDir: string | null): Promise<Ran> {
  const flags = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`]
  const begun = performance.now()
  const child = new Child('src/main.ts', argv, flags)
  let rssMb = 0
  const timer = setInterval(() => {
    rssMb = Math.max(rssMb, residentMb(child.pid))
  }, 50)
  const code = await child.exit()
  clearInterval(timer)
  const ms = performance.now() - begun
  if (code !== 0 && code !== 3) throw new Error(`${argv[0]} ended with ${code}: ${child.said.slice(-3000)}`)
  return { ms, rssMb, said: child.said }
}

/** The most that a process had resident so far; 0 when it has gone, or the system does not tell. */
function residentMb(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Neither rate nor concurrency is the measure here, so neither binds. */
function configText(at: { scratch: string; hubUrl: string; stagingUrl: string }): string {
  const text = JSON.stringify
  return `
[prod]
hub = ${text(at.hubUrl)}
topdir = ${text(join(at.scratch, 'prod'))}
link_target = ${text(join(at.scratch, 'prod'))}
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
