import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startBus } from '../test/sim/bus-publisher.ts'
import { openWorld, type ProdWorld } from '../test/sim/prod-world.ts'
import type { Announcement } from '../test/sim/world/transaction.ts'
import { kojiSchemaSql } from '../test/support/koji-schema.ts'
import { Child } from './child.ts'
import { startDaemon } from './daemon.ts'
import { replaceByDump } from './dump-way.ts'
import { Outage } from './outage.ts'
import { makeBulk } from './reconcile-content.ts'
import { type Result, result } from './results.ts'
import { SystemPostgres } from './system-postgres.ts'

/** What a day changes. */
const BUILDS_A_DAY = 200
const TAGGINGS_A_DAY = 2_000
const SMALL = 20_000
const LARGE = 200_000
const TIMEOUT_MS = 900_000

interface Measured {
  /** Until staging showed all of the day. */
  readonly oursMs: number
  /** The longest that staging's hub would have waited for an answer meanwhile. */
  readonly oursGapMs: number
  /** Dump, load, reset: nobody can use staging meanwhile. */
  readonly dumpMs: number
}

/**
 * A day's drift by messages, all at once, beside today's way: drop staging's database, load a dump of prod's, reset it. At 20,000 builds, with
 * `large` at 200,000 too, and the one beside the other.
 */
export async function measureDrift(options: {
  readonly large: boolean
  readonly profileDir: string | null
}): Promise<Result[]> {
  const small = await measureAt(SMALL, options.profileDir)
  const results = rows(SMALL, small, 1)
  if (!options.large) return results
  const large = await measureAt(LARGE, options.profileDir)
  return [
    ...results,
    ...rows(LARGE, large, 0.1),
    result(`a day's drift at ${LARGE} builds, beside ${SMALL}`, 's', {
      value: large.oursMs / 1000,
      floor: small.oursMs / 1000,
      goal: 1.2,
    }),
  ]
}

function rows(builds: number, { oursMs, oursGapMs, dumpMs }: Measured, goal: number): Result[] {
  const name = `a day's drift (${BUILDS_A_DAY} builds, ${TAGGINGS_A_DAY} taggings) at ${builds} builds`
  return [
    result(`${name}, beside dump and load`, 's', { value: oursMs / 1000, floor: dumpMs / 1000, goal }),
    // Ten missed frames of a film, and no hub's client notices.
    result(`${name}, staging not answering, beside dump and load`, 's', {
      value: oursGapMs / 1000,
      floor: dumpMs / 1000,
      goal: 0.05,
    }),
  ]
}

async function measureAt(builds: number, profileDir: string | null): Promise<Measured> {
  const closers: (() => Promise<unknown>)[] = []
  try {
    const scratch = await mkdtemp(join(tmpdir(), 'koji-staging-sync-bench-'))
    closers.push(() => rm(scratch, { recursive: true, force: true }))
    const topdir = join(scratch, 'prod')
    await mkdir(join(topdir, 'packages', 'other'), { recursive: true })
    const server = await SystemPostgres.start()
    closers.push(() => server.remove())
    await server.execute('postgres', 'create database prod')
    await server.execute('prod', kojiSchemaSql('1.35.0'))
    await makeBulk(server.url('prod'), { builds, topdir })
    for (const copy of ['staging', 'today'])
      await server.execute('postgres', `create database ${copy} template prod`)
    await server.execute('staging', 'analyze')

    const simulator = new Child('bench/simulator.ts', [server.url('prod')])
    closers.push(() => simulator.stop())
    const hubUrl = await simulator.says((text) => /^(http:.*)\n/m.exec(text)?.[1] ?? null)
    const bus = await startBus()
    closers.push(async () => bus.close())
    const prod = { hubUrl, databaseUrl: server.url('prod'), topdir }
    const world = { prod, stagingUrl: server.url('staging'), scratch }
    const daemon = await startDaemon(world, { endpoint: bus.endpoint, profileDir })
    closers.push(() => daemon.stop())

    const announced: Announcement[] = []
    const work = await openWorld({
      databaseUrl: prod.databaseUrl,
      topdir,
      announce: (one) => void announced.push(one),
    })
    closers.push(() => work.close())
    await makeDay(work)
    const frames = announced.map((message) => bus.frames(message))
    const outage = await Outage.watch(world.stagingUrl)
    const begun = performance.now()
    for (const pair of frames) await bus.sendRaw(pair)
    await untilEqual(work, world.stagingUrl, () => daemon.idle(TIMEOUT_MS))
    const oursMs = performance.now() - begun
    const oursGapMs = await outage.end()
    const dumpMs = await replaceByDump(server, { from: 'prod', to: 'today' })
    console.log(
      `drift at ${builds} builds: ${frames.length} messages in ${Math.round(oursMs)} ms, staging's longest answer ${Math.round(oursGapMs)} ms; by dump ${Math.round(dumpMs)} ms`,
    )
    return { oursMs, oursGapMs, dumpMs }
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** New builds with eight rpms, and taggings of builds that the tags do not have yet. */
async function makeDay(work: ProdWorld): Promise<void> {
  for (let i = 0; i < BUILDS_A_DAY; i += 1) {
    const name = `bulk-pkg-${String(i).padStart(5, '0')}`
    const rpms = Array.from({ length: 8 }, (_, n) => ({
      name: n === 0 ? name : `${name}-sub${n + 1}`,
      arch: n === 0 ? 'src' : 'x86_64',
    }))
    await work.importBuild({ name, version: '900', release: '1.fc43', rpms })
  }
  const taggings = await work.rows(
    `select b.id as build_id, t.id as tag_id
       from (select b.id, row_number() over (order by b.id) as n from build b join package p on p.id = b.pkg_id
              where p.name like 'bulk-pkg-%' and b.state = 1) b
       join (select id, row_number() over (order by name) - 1 as n from tag where name like 'bulk-tag-%') t on t.n = (b.n * 5 + 3) % 12
      where not exists (select 1 from tag_listing l where l.build_id = b.id and l.tag_id = t.id and l.active)
      order by b.id desc limit $1`,
    [TAGGINGS_A_DAY],
  )
  if (taggings.length < TAGGINGS_A_DAY) throw new Error(`only ${taggings.length} taggings can be made`)
  for (const { build_id, tag_id } of taggings) await work.tagBuild(tag_id as number, build_id as number)
}

/** Both sides' listings and builds, in the order that a hub shows them. */
const SHOWN = `select (select md5(string_agg(list, ';' order by list)) from (
    select l.tag_id || ':' || b.pkg_id || ':' || string_agg(b.version || '-' || b.release, ',' order by l.create_event, b.id) as list
      from tag_listing l join build b on b.id = l.build_id where l.active group by l.tag_id, b.pkg_id) x)
  || (select count(*) from build where state = 1) || '/' || (select count(*) from rpminfo) as shown`

async function untilEqual(work: ProdWorld, stagingUrl: string, idle: () => Promise<void>): Promise<void> {
  const [wanted] = await work.rows(SHOWN)
  const client = new pg.Client({ connectionString: stagingUrl })
  // The statement tells.
  client.on('error', () => {})
  await client.connect()
  try {
    const until = performance.now() + TIMEOUT_MS
    for (;;) {
      await idle()
      if ((await client.query(SHOWN)).rows[0].shown === wanted?.shown) return
      if (performance.now() > until) throw new Error('drift: staging does not become equal')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    await client.end()
  }
}
