import type { Program } from '../e2e/program.ts'
import type { E2eWorld } from '../e2e/world.ts'
import type { Announcement } from '../sim/world/transaction.ts'
import { BadBus } from './bus.ts'
import { Calm } from './calm.ts'
import { Clock } from './clock.ts'
import { Crew } from './crew.ts'
import { DatabaseFaults, keepBooks, type Server } from './database-faults.ts'
import { Dice, NothingThere } from './dice.ts'
import { linksStand } from './files.ts'
import { layGround } from './ground.ts'
import { KojiView } from './koji-view.ts'
import { type LocalRows, localAction } from './local-actions.ts'
import type { Build } from './mortal.ts'
import { OpenTransactions } from './open-transactions.ts'
import type { Action, Plan } from './plan.ts'
import { prodAction } from './prod-actions.ts'
import { StepFaults } from './step-faults.ts'
import { troubleAction } from './troubles.ts'

/** What a run is made with, beside its plan. */
export interface ChaosOptions {
  readonly rows: LocalRows
  /** default: the program as it is here */
  readonly build?: Build | undefined
  /** processes of their own, that are killed by SIGKILL, instead of this one */
  readonly program?: Program | null
  /** staging's own server, which can be stopped */
  readonly server?: Server | null
}

/** One plan in the doing: who acts, what is open, who lives. */
export class Chaos {
  readonly story: string[] = []
  readonly world: E2eWorld
  readonly plan: Plan
  readonly rows: LocalRows
  readonly prodView: KojiView
  readonly bus: BadBus
  readonly faults = new StepFaults()
  readonly database: DatabaseFaults
  readonly clock = new Clock()
  readonly openProd: OpenTransactions
  readonly openLocal: OpenTransactions
  /** who may be killed, fail, and be cut off */
  readonly crew: Crew
  /** who ends things at the end, without any trouble */
  readonly calm: Calm
  readonly #localView: KojiView

  static async open(world: E2eWorld, plan: Plan, options: ChaosOptions): Promise<Chaos> {
    const stagingUrl = await ownerUrl(world)
    const server = options.server ?? null
    const database = await DatabaseFaults.open(world, stagingUrl, { thief: plan.thief, server })
    return new Chaos(world, plan, options, database)
  }

  private constructor(world: E2eWorld, plan: Plan, options: ChaosOptions, database: DatabaseFaults) {
    this.rows = options.rows
    this.world = world
    this.plan = plan
    this.database = database
    this.prodView = new KojiView(world.prod)
    this.#localView = new KojiView(world.local)
    this.bus = new BadBus(world.bus, plan.seed, plan.drop)
    this.openProd = new OpenTransactions(world.prod, 3)
    this.openLocal = new OpenTransactions(world.local, 2)
    const { build, program = null } = options
    const set = ['log.level=info', 'prod.timeout_seconds=2', `staging.database=${database.url}`]
    this.crew = new Crew({ file: world.file, build, faults: this.faults.step, set, program })
    this.calm = new Calm(world, { file: world.file, build })
    world.announce = 'keep'
  }

  /** All of the plan, until nothing is under way. What was wrong the moment after a death. */
  async run(): Promise<string[]> {
    const { world, plan } = this
    if (await layGround(world, this.prodView)) {
      await keepBooks(world)
      if (plan.actions.some(({ what }) => what === 'statement fails')) await this.database.arm()
      // Staging follows prod: what is lost from now on was there.
      if (plan.synced) await this.calm.command('reconcile')
    }
    for (const action of plan.actions) {
      const startedMs = performance.now()
      const what = await this.#act(action)
      const ms = Math.round(performance.now() - startedMs)
      this.story.push(`${action.index} ${action.what}: ${what} (${ms} ms)`)
      await this.bus.announce(world.kept.splice(0) as Announcement[])
      await this.crew.reapEnded()
      const died = await this.crew.reapDead()
      if (died) this.story.push('  one died')
      const broken = died && this.crew.daemons.length === 0 ? await linksStand(world) : []
      if (broken.length > 0) return broken
    }
    await this.#rest()
    return this.crew.complaints
  }

  async end(): Promise<void> {
    await this.openProd.rollbackAll()
    await this.openLocal.rollbackAll()
    await this.crew.close()
    await this.clock.back()
    await this.database.close()
  }

  async #act({ what, seed }: Action): Promise<string> {
    const dice = new Dice(seed)
    try {
      const prod = prodAction(what)
      if (prod !== undefined) {
        const held = prod.alone !== true && dice.chance(0.5) ? this.openProd.last : undefined
        const act = held?.open ?? this.world.prod
        await this.#in(this.openProd, held, prod.run({ view: this.prodView, act, dice }))
        return held === undefined ? 'done' : 'done, held open'
      }
      const local = localAction(what)
      if (local !== undefined) {
        const held = local.alone !== true && dice.chance(0.5) ? this.openLocal.last : undefined
        const act = held?.open ?? this.world.local
        const note = (then: () => void): unknown => (held === undefined ? then() : held.notes.push(then))
        const scene = { local: this.world.local, view: this.#localView, act, dice, rows: this.rows, note }
        await this.#in(this.openLocal, held, local.run(scene))
        return held === undefined ? 'done' : 'done, held open'
      }
      const trouble = troubleAction(what)
      if (trouble === undefined) throw new TypeError(`no action ${what}`)
      return await trouble.run(this, dice)
    } catch (error) {
      if (error instanceof NothingThere) return 'nothing there'
      // As the hub refuses what does not go.
      if (isRefused(error)) return `refused: ${(error as Error).message}`
      throw error
    }
  }

  /** A statement that failed is the end of its transaction. */
  async #in(open: OpenTransactions, held: OpenTransactions['last'], work: Promise<unknown>): Promise<void> {
    try {
      await work
    } catch (error) {
      if (held !== undefined && !(error instanceof NothingThere)) await open.end(held, 'rollback')
      throw error
    }
  }

  /** All that is under way in both Kojis ends, and all troubles, then the daemons do. */
  async #rest(): Promise<void> {
    const dice = new Dice(this.plan.seed)
    await this.openProd.endAll(dice)
    await this.openLocal.endAll(dice)
    await this.bus.announce(this.world.kept.splice(0) as Announcement[])
    await this.bus.deliver()
    for (const daemon of [...this.crew.daemons])
      await this.crew.end(daemon, dice.chance(0.5) ? 'kill' : 'stop')
    // Troubles that nobody has met.
    while (this.world.prodHub.knobs.takeTrouble() !== undefined);
    this.faults.heal()
    await this.database.heal()
    await this.clock.back()
  }
}

/** Of staging's database, as who made it. */
async function ownerUrl(world: E2eWorld): Promise<string> {
  return world.asOwner[1].slice('staging.database='.length)
}

/** The simulated Koji's own refusals are plain errors, PostgreSQL's have a code; a mistake of ours is a TypeError. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && (error.constructor === Error || 'code' in error)
}
