import { setTimeout as delay } from 'node:timers/promises'
import type { BusPublisher } from '../test/sim/bus-publisher.ts'
import { Commits } from './commits.ts'
import type { Daemon } from './daemon.ts'
import { Floor } from './floor.ts'
import { type Result, result } from './results.ts'
import { rowsOfBuild } from './sample-rows.ts'
import { KINDS, type Kind, makeBuild, makeSamples, type Sample, signableCount } from './samples.ts'
import { quantile } from './statistics.ts'
import type { BenchWorld } from './world.ts'

const TIMEOUT_MS = 30_000
const WARM_UPS = 60
const CATCH_UP = 'kojisync_catchup_last_attempt_timestamp_seconds'
const GOALS = { p50: 1.5, p99: 3 }

interface Taken {
  readonly kind: Kind
  readonly valueMs: number
  readonly floorMs: number
}

/**
 * From the sending of a message to the commit of its rows in staging: a message each `periodMs`. Half-way between two of them the
 * floor does the same change in its own copy of staging: the fastest known calls to the same hub, as bytes, and one
 * transaction with the same rows. So both meet the same moments of the machine.
 */
export async function measureLatency(
  world: BenchWorld,
  daemon: Daemon,
  bus: BusPublisher,
  count: number,
  periodMs = 50,
): Promise<Result[]> {
  const floor = await Floor.open(world)
  try {
    const signable = await makeSignable(world, daemon, bus, { count: signableCount(count) + WARM_UPS, floor })
    console.log(`latency: ${signable.length} builds came by the daemon; making ${count} changes in prod`)
    await showPackages(world, daemon, bus, count)
    const samples = await makeSamples(world, count, signable)
    await floor.chooseReads(samples)
    const commits = await Commits.watch(world.stagingUrl)
    const floorCommits = await Commits.watch(world.floorUrl)
    try {
      const caughtUp = await daemon.metric(CATCH_UP)
      console.log(`latency: ${count} messages, ${1000 / periodMs} a second`)
      const taken = await run(samples, { commits, floorCommits, floor, bus, periodMs }).catch(
        async (error: Error) => {
          throw new Error(`${error.message}; ${await daemon.trouble()}`)
        },
      )
      if (caughtUp !== (await daemon.metric(CATCH_UP)))
        throw new Error("latency: a catch-up ran meanwhile and did the messages' work")
      await daemon.idle(60_000)
      return resultsOf(taken)
    } finally {
      await commits.close()
      await floorCommits.close()
    }
  } finally {
    await floor.close()
  }
}

/** A message for each package before anything changes: a daemon that has run for a while knows their ids. */
async function showPackages(
  world: BenchWorld,
  daemon: Daemon,
  bus: BusPublisher,
  count: number,
): Promise<void> {
  const { prefix, liveTagId, packages } = world.content
  for (const { name, buildIds } of packages.slice(0, count)) {
    const build = { build_id: buildIds[0], name, version: '1', release: '1', owner: 'admin' }
    await bus.publish({
      topic: 'tag',
      body: { tag: `${prefix}-live`, tag_id: liveTagId, ...build, user: 'admin' },
    })
  }
  await delay(500)
  await daemon.idle(120_000)
}

/** Builds that are in staging by the daemon; their messages warm it up, too. Returns the rpms of each. */
async function makeSignable(
  world: BenchWorld,
  daemon: Daemon,
  bus: BusPublisher,
  options: { count: number; floor: Floor },
): Promise<number[][]> {
  const rpms: number[][] = []
  for (let i = 0; i < options.count; i += 1) {
    world.announced.length = 0
    const build = await makeBuild(world, `warm${i}`, i)
    for (const message of world.announced) await bus.publish(message)
    await options.floor.write(await rowsOfBuild(world.work, build.id))
    rpms.push(build.rpms)
  }
  await delay(300)
  await daemon.idle(120_000)
  return rpms
}

interface Instruments {
  readonly commits: Commits
  readonly floorCommits: Commits
  readonly floor: Floor
  readonly bus: BusPublisher
  readonly periodMs: number
}

async function run(
  samples: readonly Sample[],
  { commits, floorCommits, floor, bus, periodMs }: Instruments,
): Promise<Taken[]> {
  const frames = samples.map((sample) => bus.frames(sample.message))
  const begin = performance.now() + 200
  return Promise.all(
    samples.map(async (sample, i): Promise<Taken> => {
      const dueMs = begin + i * periodMs
      await delay(dueMs - performance.now())
      const committed = commits.next(sample.subject, TIMEOUT_MS)
      const sentMs = performance.now()
      await bus.sendRaw(frames[i] as [string, string])
      await delay(dueMs + periodMs / 2 - performance.now())
      const floorCommitted = floorCommits.next(sample.subject, TIMEOUT_MS)
      const begunMs = performance.now()
      await floor.apply(sample)
      return {
        kind: sample.kind,
        valueMs: (await committed) - sentMs,
        floorMs: (await floorCommitted) - begunMs,
      }
    }),
  )
}

function resultsOf(taken: readonly Taken[]): Result[] {
  const rows = (name: string, of: readonly Taken[]): Result[] =>
    (
      [
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const
    ).map(([what, share]) =>
      result(`${name}, ${what}`, 'ms', {
        value: quantile(
          of.map(({ valueMs }) => valueMs),
          share,
        ),
        floor: quantile(
          of.map(({ floorMs }) => floorMs),
          share,
        ),
        goal: GOALS[what],
      }),
    )
  const parts = KINDS.flatMap((kind) => {
    const of = taken.filter((one) => one.kind === kind)
    return of.length === 0 ? [] : rows(`message to commit, ${kind}`, of)
  })
  return [...rows('message to commit', taken), ...parts]
}
