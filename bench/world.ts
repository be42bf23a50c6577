import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openWorld, type ProdWorld } from '../test/sim/prod-world.ts'
import type { Announcement } from '../test/sim/world/transaction.ts'
import { type Cluster, startCluster } from '../test/support/cluster.ts'
import { Child } from './child.ts'
import { type Content, makeContent } from './content.ts'
import { copyByDump, copyByTemplate } from './copy-database.ts'

/** Prod's side: a hub, its database and its tree. */
interface Prod {
  readonly hubUrl: string
  readonly databaseUrl: string
  readonly topdir: string
}

/** Both sides. Staging's databases lie in a cluster of their own, with fsync on. */
export interface BenchWorld {
  readonly real: boolean
  readonly cluster: Cluster
  readonly prod: Prod
  /** Where prod's work is done. */
  readonly work: ProdWorld
  /** What that work announced and nobody has taken yet, in order. */
  readonly announced: Announcement[]
  readonly content: Content
  /** Staging's Koji, equal to prod's when the work begins. */
  readonly stagingUrl: string
  /** The same once more: what the floor writes to. */
  readonly floorUrl: string
  /** A simulated hub on prod's database: prod's hub itself, unless that is real. */
  readonly simulatorUrl: string
  /** Empty directory that goes with the bench. */
  readonly scratch: string
  close(): Promise<void>
}

/** The rig's settings, by the names and defaults of its own scripts. */
function rig(): Prod {
  const { RIG_PROD_PORT = '8081', RIG_PG_PORT = '5433', RIG_DIR = '/tmp/koji-rig' } = process.env
  return {
    hubUrl: `http://127.0.0.1:${RIG_PROD_PORT}/kojihub`,
    databaseUrl: `postgresql://koji@127.0.0.1:${RIG_PG_PORT}/koji_prod`,
    topdir: join(RIG_DIR, 'prod', 'koji'),
  }
}

export async function openBenchWorld(options: { real: boolean; packages: number }): Promise<BenchWorld> {
  const { real, packages } = options
  const closers: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    const scratch = await mkdtemp(join(tmpdir(), 'koji-staging-sync-bench-'))
    closers.push(() => rm(scratch, { recursive: true, force: true }))
    const cluster = await startCluster({ durable: true })
    closers.push(() => cluster.remove())
    const place = real ? rig() : await simulated(cluster, scratch)

    // Nobody is connected while it is copied: so a database can be a template.
    const content = await makeContent(place.databaseUrl, { packages })
    const copy = () =>
      real ? copyByDump(cluster, place.databaseUrl, scratch) : copyByTemplate(cluster, place.databaseUrl)
    const [stagingUrl, floorUrl] = [await copy(), await copy()]

    const simulator = new Child('bench/simulator.ts', [place.databaseUrl])
    closers.push(() => simulator.stop())
    const simulatorUrl = await simulator.says((text) => /^(http:.*)\n/m.exec(text)?.[1] ?? null)
    const announced: Announcement[] = []
    const work = await openWorld({
      databaseUrl: place.databaseUrl,
      topdir: place.topdir,
      announce: (announcement) => void announced.push(announcement),
    })
    closers.push(() => work.close())
    const prod = { ...place, hubUrl: real ? place.hubUrl : simulatorUrl }
    return {
      real,
      cluster,
      prod,
      work,
      announced,
      content,
      stagingUrl,
      floorUrl,
      simulatorUrl,
      scratch,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function simulated(cluster: Cluster, scratch: string): Promise<Prod> {
  const topdir = join(scratch, 'prod')
  // An empty tree is one that is not mounted.
  await mkdir(join(topdir, 'packages', 'other'), { recursive: true })
  return { hubUrl: '', databaseUrl: cluster.url(await cluster.createDatabase('1.35.0')), topdir }
}
