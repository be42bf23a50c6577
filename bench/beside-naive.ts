import pg from 'pg'
import { startBus } from '../test/sim/bus-publisher.ts'
import type { Announcement } from '../test/sim/world/transaction.ts'
import { startDaemon } from './daemon.ts'
import { NaiveConsumer } from './naive.ts'
import { type Result, result } from './results.ts'
import { makeBuild } from './samples.ts'
import { type BenchWorld, openBenchWorld } from './world.ts'

/** Ten times its throughput. */
const GOAL = 0.1
const BUILDS = 300
const TIMEOUT_MS = 600_000

/** New builds, and a tagging of each: all messages at once to the product, and the same ones to a naive consumer with a staging of its own. */
export async function measureBesideNaive(options: { readonly profileDir: string | null }): Promise<Result[]> {
  const world = await openBenchWorld({ real: false, packages: BUILDS })
  try {
    const bus = await startBus()
    const daemon = await startDaemon(world, { endpoint: bus.endpoint, profileDir: options.profileDir })
    try {
      const messages = await makeMessages(world)
      const frames = messages.map((message) => bus.frames(message))
      const begun = performance.now()
      for (const pair of frames) await bus.sendRaw(pair)
      await untilEqual(world, daemon)
      const productMs = performance.now() - begun
      const naiveMs = await timeNaive(world, messages)
      const perMessage = (ms: number): number => ms / messages.length
      return [
        result(
          `${messages.length} messages of new builds and their taggings, beside a naive consumer`,
          'ms a message',
          {
            value: perMessage(productMs),
            floor: perMessage(naiveMs),
            goal: GOAL,
          },
        ),
      ]
    } finally {
      await daemon.stop()
      bus.close()
    }
  } finally {
    await world.close()
  }
}

async function makeMessages(world: BenchWorld): Promise<Announcement[]> {
  world.announced.length = 0
  for (let i = 0; i < BUILDS; i += 1) {
    const { id } = await makeBuild(world, `naive${i}`, i)
    await world.work.tagBuild(world.content.liveTagId, id)
  }
  return world.announced.splice(0)
}

/** What a message says of the builds of this run must be in staging, not only the queue empty. */
const SHOWN = `select count(distinct l.build_id)::int as taggings, count(r.id)::int as rpms
  from tag_listing l join build b on b.id = l.build_id join rpminfo r on r.build_id = b.id
 where l.active and b.release like 'naive%' and b.state = 1`

async function untilEqual(world: BenchWorld, daemon: { idle(ms: number): Promise<void> }): Promise<void> {
  const [wanted] = await world.work.rows(SHOWN)
  await untilShown(world.stagingUrl, JSON.stringify(wanted), () => daemon.idle(TIMEOUT_MS))
}

async function timeNaive(world: BenchWorld, messages: readonly Announcement[]): Promise<number> {
  const naive = await NaiveConsumer.open(world.prod.hubUrl, world.floorUrl)
  try {
    const begun = performance.now()
    for (const message of messages) await naive.handle(message)
    const elapsedMs = performance.now() - begun
    const [wanted] = await world.work.rows(SHOWN)
    await untilShown(world.floorUrl, JSON.stringify(wanted), async () => {})
    return elapsedMs
  } finally {
    await naive.close()
  }
}

async function untilShown(url: string, wanted: string, idle: () => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  // The statement tells.
  client.on('error', () => {})
  await client.connect()
  try {
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      await idle()
      const shown = JSON.stringify((await client.query(SHOWN)).rows[0])
      if (shown === wanted) return
      if (performance.now() > until) throw new Error(`naive: ${shown} came, of ${wanted}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  } finally {
    await client.end()
  }
}
