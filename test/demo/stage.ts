import { chmodSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BusPublisher, startBus } from '../sim/bus-publisher.ts'
import { type SimulatedHub, startHub } from '../sim/hub.ts'
import { createPki } from '../sim/pki.ts'
import { openWorld, type ProdWorld } from '../sim/prod-world.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type Closing, guardDirectory } from './closing.ts'
import { Daemon } from './daemon.ts'

/** Pause between two looks of the daemon at prod's history; a minute unless configured, too long to watch. */
export const catchUpSeconds = 4

/** A Koji: database, hub, file tree. */
export interface Koji {
  readonly database: string
  readonly hub: SimulatedHub
  readonly topdir: string
}

/** What prod tells the bus, and whether the bus passes it on. */
export interface Announcing {
  deliver: boolean
  /** Of the last change: when its first message left, or was lost (performance.now); undefined: it has none. */
  firstMs: number | undefined
  delivered: number
  lost: number
}

/** Everything that the demo plays with. */
export interface Stage {
  readonly prod: Koji
  readonly staging: Koji
  /** People at work in prod. */
  readonly world: ProdWorld
  readonly bus: BusPublisher
  readonly announcing: Announcing
  readonly daemon: Daemon
  readonly signal: AbortSignal
}

/** Starts two Kojis and a bus; `closing` ends them. */
export async function openStage(closing: Closing, signal: AbortSignal): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'koji-demo-'))
  const guard = guardDirectory(directory)
  // PostgreSQL's data and password file go there too; started by root it runs as a user of its own.
  chmodSync(directory, 0o755)
  const env = { ...process.env }
  process.env.TMPDIR = directory
  // Its rm is the one that counts; it waits until all others have closed.
  closing.add(() => guard.release())
  const cluster = await startCluster({ durable: true })
  closing.add(() => cluster.remove())
  signal.throwIfAborted()
  const prod = await openKoji(closing, cluster, join(directory, 'prod'))
  const staging = await openKoji(closing, cluster, join(directory, 'staging'))
  signal.throwIfAborted()
  const pki = createPki('demo CA')
  const hubName = 'koji01.demo.example.org'
  const bus = await startBus({ signer: pki.issue({ commonName: hubName }) })
  closing.add(() => bus.close())
  const announcing: Announcing = { deliver: true, firstMs: undefined, delivered: 0, lost: 0 }
  const world = await openWorld({
    databaseUrl: prod.database,
    topdir: prod.topdir,
    announce: async (announcement) => {
      announcing.firstMs ??= performance.now()
      announcing[announcing.deliver ? 'delivered' : 'lost']++
      if (announcing.deliver) await bus.publish(announcement)
    },
  })
  closing.add(() => world.close())
  const daemon = await Daemon.create({
    prodHub: prod.hub.url,
    prodTopdir: prod.topdir,
    stagingHub: staging.hub.url,
    stagingDatabase: staging.database,
    stagingTopdir: staging.topdir,
    busEndpoint: bus.endpoint,
    trust: { ca: pki.ca, crl: pki.crl(), sender: hubName },
    catchUpSeconds,
    directory,
    env,
    guard,
  })
  closing.add(() => daemon.stop())
  return { prod, staging, world, bus, announcing, daemon, signal }
}

async function openKoji(closing: Closing, cluster: Cluster, topdir: string): Promise<Koji> {
  mkdirSync(join(topdir, 'packages'), { recursive: true })
  const database = cluster.url(await cluster.createDatabase('1.35.0'))
  const hub = await startHub({ databaseUrl: database })
  closing.add(() => hub.close())
  return { database, hub, topdir }
}
