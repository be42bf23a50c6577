import { setTimeout as sleep } from 'node:timers/promises'
import { type Here, openHere } from '../e2e/daemon.ts'
import type { E2eWorld } from '../e2e/world.ts'
import type { Announcement } from '../sim/world/transaction.ts'
import { BadBus, forged } from './bus.ts'
import { Dice, NothingThere } from './dice.ts'
import { linksStand } from './files.ts'
import { KojiView } from './koji-view.ts'
import { type LocalRows, localAction } from './local-actions.ts'
import { Mortal } from './mortal.ts'
import type { Action, Plan } from './plan.ts'
import { prodAction } from './prod-actions.ts'

type Open = Awaited<ReturnType<E2eWorld['prod']['begin']>>

/** Steps of a daemon that is to be killed: mostly soon, since what goes on is short. */
const LONGEST_LIFE = 400

/** One plan in the doing: who acts, what is open, who lives. */
export class Chaos {
  readonly story: string[] = []
  readonly world: E2eWorld
  readonly plan: Plan
  readonly rows: LocalRows
  readonly #prodView: KojiView
  readonly #localView: KojiView
  readonly #bus: BadBus
  readonly #open: Open[] = []
  #daemon: Mortal | null = null
  #here: Here | null = null

  constructor(world: E2eWorld, plan: Plan, rows: LocalRows) {
    this.rows = rows
    this.world = world
    this.plan = plan
    this.#prodView = new KojiView(world.prod)
    this.#localView = new KojiView(world.local)
    this.#bus = new BadBus(world.bus, plan.seed, plan.drop)
    world.announce = 'keep'
  }

  /** All of the plan, until nothing is under way. What was wrong the moment after a death. */
  async run(): Promise<string[]> {
    const { world } = this
    await this.#begin()
    for (const [index, action] of this.plan.actions.entries()) {
      const what = await this.#act(action)
      this.story.push(`${index + 1} ${action.what}: ${what}`)
      await this.#bus.announce(world.kept.splice(0) as Announcement[])
      const died = this.#daemon?.wasKilled === true
      if (died) this.story.push('  it died')
      const broken = died ? await this.#afterDeath() : []
      if (broken.length > 0) return broken
    }
    await this.#rest()
    return []
  }

  /** A command of a process that lives until the end. */
  async command(name: keyof typeof work): Promise<void> {
    await this.aMinuteLater()
    this.#here ??= await openHere({ file: this.world.file, set: SET })
    await work[name](this.#here.operations, new AbortController().signal)
  }

  /** A command that may be killed. */
  async #mortal(name: keyof typeof work, life: number): Promise<Mortal> {
    await this.aMinuteLater()
    const mortal = await Mortal.start(this.world.file, SET, work[name])
    mortal.dieIn(life)
    const error = await mortal.ended
    if (!mortal.wasKilled && error !== null) throw new Error(`${name} failed`, { cause: error })
    return mortal
  }

  /** A daemon does what is queued; what the scrub marks is not seen through by itself. */
  async workOff(): Promise<void> {
    await this.aMinuteLater()
    const daemon = await this.#start()
    await this.world.settled()
    await daemon.stop()
  }

  /** What the dead held is free. */
  async aMinuteLater(): Promise<void> {
    await this.world.sql(
      `update staging_sync.queue set lease_until = clock_timestamp() where lease_until is not null`,
    )
    for (const table of ['reconcile_run', 'daemon'])
      await this.world.sql(`update staging_sync.${table} set seen = seen - interval '2 minutes'`)
    await this.world.sql(`update staging_sync.scrub set seen = seen - interval '2 minutes'`)
    await this.world.sql(`update staging_sync.placement set changed_at = changed_at - interval '3 minutes'`)
  }

  async end(): Promise<void> {
    for (const open of this.#open.splice(0)) await open.rollback().catch(() => {})
    await this.#daemon?.kill()
    await this.#here?.operations.destroy()
  }

  /** A small Koji to begin with. */
  async #begin(): Promise<void> {
    const { prod, local } = this.world
    for (const koji of [prod, local]) {
      const [row] = await koji.rows('select current_database() as name')
      // Who waits for a transaction that is held open would wait for ever.
      await koji.rows(`alter database ${String(row?.name)} set lock_timeout = '300ms'`)
    }
    if ((await this.#prodView.users()).length > 0) return
    for (const user of ['user1', 'user2']) await prod.addUser(user)
    await prod.addTag('tag1', { arches: 'x86_64' })
    await prod.addTag('tag2', { arches: 'x86_64', parent: 'tag1' })
    await prod.addTarget('target0', 'tag1', 'tag2')
    for (const name of ['bash', 'vim']) {
      await prod.addPackage('tag1', name)
      const { id } = await prod.importBuild({ name, version: '1', release: '1', rpms: [{ arch: 'src' }] })
      await prod.tagBuild('tag1', id)
    }
    this.world.kept.length = 0
  }

  async #act({ what, seed }: Action): Promise<string> {
    const dice = new Dice(seed)
    const { world } = this
    try {
      const prod = prodAction(what)
      if (prod !== undefined) {
        const held = prod.alone !== true && dice.chance(0.5) ? this.#open.at(-1) : undefined
        await prod
          .run({ view: this.#prodView, act: held ?? world.prod, dice })
          .catch(async (error: unknown) => {
            if (held !== undefined) await this.#close(held, 'rollback')
            throw error
          })
        return held === undefined ? 'done' : 'done, held open'
      }
      const local = localAction(what)
      if (local !== undefined) {
        await local.run({ local: world.local, view: this.#localView, dice, rows: this.rows })
        return 'done'
      }
      return await this.#trouble(what, dice)
    } catch (error) {
      if (error instanceof NothingThere) return 'nothing there'
      // As the hub refuses what does not go.
      if (isRefused(error)) return `refused: ${(error as Error).message}`
      throw error
    }
  }

  async #trouble(what: string, dice: Dice): Promise<string> {
    const { world } = this
    switch (what) {
      case 'daemon': {
        if (this.#daemon !== null) return 'runs'
        if (dice.chance(0.3)) await this.aMinuteLater()
        this.#daemon = await this.#start()
        if (dice.chance(0.7)) await this.#daemon.listening()
        return 'started'
      }
      case 'kill': {
        // One that does not run is killed while it starts, or soon after.
        const started = this.#daemon === null
        this.#daemon ??= await this.#start()
        const steps = Math.floor(dice.random() ** 2 * LONGEST_LIFE)
        this.#daemon.dieIn(steps)
        return `${started ? 'started, ' : ''}in ${steps} steps`
      }
      case 'stop':
        await this.#daemon?.stop()
        this.#daemon = null
        return 'stopped'
      case 'catch-up':
      case 'reconcile': {
        if (this.#daemon !== null) return 'a daemon runs'
        const life = dice.chance(0.5) ? dice.below(LONGEST_LIFE) : Number.POSITIVE_INFINITY
        const { wasKilled } = await this.#mortal(what, life)
        return wasKilled ? `killed after ${life} steps` : 'done'
      }
      case 'pause':
        // Now and then long enough for a daemon to catch up.
        await sleep(dice.chance(0.2) ? 800 : dice.below(80))
        return 'over'
      case 'deliver':
        await this.#bus.deliver()
        return 'done'
      case 'forge': {
        const builds = await this.#prodView.builds()
        const id = dice.chance(0.2) ? 999_999 : dice.of(builds).id
        await world.bus.publish(
          forged(dice.random, id, dice.of([...(await this.#prodView.tags()), 'no-tag'])),
        )
        return 'sent'
      }
      case 'hub trouble': {
        const trouble = dice.of([
          'http-500',
          'html',
          'truncated',
          'torn-xml',
          'reset',
          'server-offline',
          'retry',
        ] as const)
        if (this.#daemon !== null) world.prodHub.knobs.failNext(trouble)
        return trouble
      }
      case 'cut database':
        await world.sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'koji-staging-sync' and datname = current_database()`,
        )
        return 'done'
      case 'begin':
        if (this.#open.length >= 3) return 'enough are open'
        this.#open.push(await world.prod.begin())
        return `${this.#open.length} are open`
      case 'commit':
      case 'roll back': {
        const open = dice.of(this.#open)
        await this.#close(open, what === 'commit' ? 'commit' : 'rollback')
        return 'done'
      }
      default:
        throw new Error(`no action ${what}`)
    }
  }

  #start(): Promise<Mortal> {
    return Mortal.start(this.world.file, SET, (operations, signal) => operations.run(signal))
  }

  async #close(open: Open, how: 'commit' | 'rollback'): Promise<void> {
    this.#open.splice(this.#open.indexOf(open), 1)
    await open[how]()
  }

  /** What must be true the moment after. */
  async #afterDeath(): Promise<string[]> {
    const daemon = this.#daemon
    this.#daemon = null
    await daemon?.ended
    return linksStand(this.world)
  }

  /** All that is under way in prod ends, then the daemon does. */
  async #rest(): Promise<void> {
    const dice = new Dice(this.plan.seed)
    for (const open of [...this.#open]) await this.#close(open, dice.chance(0.8) ? 'commit' : 'rollback')
    await this.#bus.announce(this.world.kept.splice(0) as Announcement[])
    await this.#bus.deliver()
    if (dice.chance(0.5)) await this.#daemon?.kill()
    else await this.#daemon?.stop()
    this.#daemon = null
    // Troubles that nobody has met.
    while (this.world.prodHub.knobs.takeTrouble() !== undefined);
  }
}

const SET = ['log.level=info'] as const

const drain = async (news: AsyncIterable<unknown>): Promise<void> => {
  for await (const _one of news);
}
/** Commands without a daemon. */
export const work = {
  'catch-up': (operations, signal) => drain(operations.catchUp({}, signal)),
  reconcile: (operations, signal) => drain(operations.reconcile({ dryRun: false, tags: [] }, signal)),
  scrub: (operations, signal) => drain(operations.scrub({ once: true, tags: [] }, signal)),
} satisfies Record<string, Parameters<typeof Mortal.start>[2]>

/** The simulated Koji's own refusals are plain errors, PostgreSQL's have a code; a mistake of ours is a TypeError. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && (error.constructor === Error || 'code' in error)
}
