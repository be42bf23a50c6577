import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { BusPublisher } from '../test/sim/bus-publisher.ts'
import type { ContentPackage } from './content.ts'
import { type Daemon, HUB_CONCURRENCY, HUB_REQUESTS_PER_SECOND } from './daemon.ts'
import { RawHub, requestOf } from './raw-hub.ts'
import { type Result, result } from './results.ts'
import { readsOfListing } from './samples.ts'
import type { BenchWorld } from './world.ts'

const GOAL = 2
const TIMEOUT_MS = 600_000
/** So long nothing may happen while staging is not equal yet. */
const QUIET_MS = 20_000
const BATCHES = [25, 100]

/**
 * Ten builds of each package are tagged in prod, then all messages are sent as fast as the socket takes them. Ends when staging's
 * lists are those of prod and the queue is empty. The floor reads each list once, as bytes in multicalls, with the product's
 * concurrency and rate, before and after: the faster counts.
 */
export async function measureBurst(
  world: BenchWorld,
  daemon: Daemon,
  bus: BusPublisher,
  messages: number,
): Promise<Result[]> {
  const frames = (await tagAll(world, messages)).map((message) => bus.frames(message))
  const packages = world.content.packages.slice(0, messages / 10)
  const plan = await bestPlan(world)
  const before = await floorOnce(world, packages, plan)
  const marked = () => daemon.metric('kojisync_messages_total', ['topic="tag"', 'outcome="marked"'])
  const keys = () => daemon.metric('kojisync_keys_total', ['kind="tagged"'])
  const requests = () => daemon.metric('kojisync_hub_requests_total')
  const [markedBefore, keysBefore, requestsBefore] = [await marked(), await keys(), await requests()]
  const begun = performance.now()
  for (const pair of frames) await bus.sendRaw(pair)
  const sentMs = performance.now() - begun
  await equal(world, daemon)
  const elapsedMs = performance.now() - begun
  const floorMs = Math.min(before, await floorOnce(world, packages, plan))
  const [got, worked] = [(await marked()) - markedBefore, (await keys()) - keysBefore]
  console.log(
    `burst: ${frames.length} messages sent in ${Math.round(sentMs)} ms, ${got} marked, ${frames.length - got} lost;`,
    `${worked} keys converged, ${got - worked} messages coalesced; ${(await requests()) - requestsBefore} requests to the hub`,
  )
  const name = `burst of ${frames.length} messages`
  return [result(name, 's', { value: elapsedMs / 1000, floor: floorMs / 1000, goal: GOAL })]
}

/** Tags every build of every package in prod, package by package in turn; what the hub would announce. */
async function tagAll(world: BenchWorld, messages: number) {
  const { content, work } = world
  const rows = await work.rows(
    `insert into tag_listing (build_id, tag_id, create_event, creator_id)
     select b.id, $1, get_event(), b.owner
       from (select b.* from build b where id = any($2::int[]) order by length(b.version), b.version, b.pkg_id) b
     returning build_id`,
    [content.burstTagId, content.packages.slice(0, messages / 10).flatMap(({ buildIds }) => buildIds)],
  )
  // As autovacuum would, before the messages of a day.
  await work.rows('analyze tag_listing')
  const names = await work.rows(
    'select b.id, p.name, b.version, b.release from build b join package p on p.id = b.pkg_id where b.id = any($1::int[])',
    [rows.map((row) => row.build_id)],
  )
  const byId = new Map(names.map((row) => [row.id, row]))
  const tag = `${content.prefix}-burst`
  return rows.map(({ build_id }) => {
    const { name, version, release } = byId.get(build_id) ?? {}
    const body = {
      tag,
      tag_id: content.burstTagId,
      build_id,
      name,
      version,
      release,
      user: 'admin',
      owner: 'admin',
    }
    return { topic: 'tag', body }
  })
}

/** Resolves when the queue is empty and staging's lists equal prod's. */
async function equal(world: BenchWorld, daemon: Daemon): Promise<void> {
  const staging = new pg.Client({ connectionString: world.stagingUrl })
  await staging.connect()
  try {
    const [wanted] = await world.work.rows(LISTS, [world.content.burstTagId])
    let until = performance.now() + QUIET_MS
    let before = ''
    for (;;) {
      await daemon.idle(TIMEOUT_MS)
      const { rows } = await staging.query(LISTS, [world.content.burstTagId])
      if (rows[0].lists === wanted?.lists) return
      if (rows[0].lists !== before) until = performance.now() + QUIET_MS
      before = rows[0].lists
      if (performance.now() > until)
        throw new Error(`burst: staging does not become equal; ${await daemon.trouble()}`)
      await delay(25)
    }
  } finally {
    await staging.end()
  }
}

/** Each package's list, in the order that a hub shows. */
const LISTS = `select md5(string_agg(list, ';' order by list)) as lists from (
  select b.pkg_id || ':' || string_agg(b.id::text, ',' order by l.create_event, b.id) as list
    from tag_listing l join build b on b.id = l.build_id where l.tag_id = $1 and l.active group by b.pkg_id) x`

/** How the lists are asked for: calls in a multicall, and which of the ways to read. */
interface Plan {
  readonly batch: number
  readonly way: number
}

/** The fastest of the plans, by a tenth of the packages. */
async function bestPlan(world: BenchWorld): Promise<Plan> {
  const some = world.content.packages.slice(0, Math.ceil(world.content.packages.length / 10))
  let best: { plan: Plan; elapsedMs: number } | null = null
  for (const plan of BATCHES.flatMap((batch) => [0, 1].map((way) => ({ batch, way })))) {
    const elapsedMs = await floorOnce(world, some, plan)
    if (best === null || elapsedMs < best.elapsedMs) best = { plan, elapsedMs }
  }
  return best?.plan as Plan
}

/** Milliseconds to read all lists. */
async function floorOnce(
  world: BenchWorld,
  packages: readonly ContentPackage[],
  { batch, way }: Plan,
): Promise<number> {
  const { content, prod } = world
  const calls = packages.flatMap((listed) => readsOfListing(content.burstTagId, listed)[way]?.[0] ?? [])
  const bodies: Buffer[] = []
  for (let at = 0; at < calls.length; at += batch) bodies.push(requestOf(calls.slice(at, at + batch)))
  const hub = new RawHub(prod.hubUrl, HUB_CONCURRENCY)
  const begun = performance.now()
  let next = 0
  const reader = async (): Promise<void> => {
    for (let body = bodies[next++]; body !== undefined; body = bodies[next++]) {
      // A second's worth may go at once, as with the product's limiter.
      const allowedMs = ((next - HUB_REQUESTS_PER_SECOND) / HUB_REQUESTS_PER_SECOND) * 1000
      if (allowedMs > performance.now() - begun) await delay(allowedMs - (performance.now() - begun))
      await hub.post(body)
    }
  }
  await Promise.all(Array.from({ length: HUB_CONCURRENCY }, reader))
  hub.close()
  return performance.now() - begun
}
