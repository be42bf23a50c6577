import { AsyncLocalStorage } from 'node:async_hooks'
import { loadConfig } from '../../src/config/load.ts'
import { around } from '../../src/converge/around.ts'
import type { Convergers } from '../../src/converge/deps.ts'
import { formatKey } from '../../src/model/key.ts'
import type { Step } from '../../src/step.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { seeded } from '../e2e/gates.ts'
import { type E2eWorld, PREFIX } from '../e2e/world.ts'
import type { Announcement } from '../sim/world/transaction.ts'
import { SERVICE_ROLE } from '../support/service-role.ts'
import type { Daemon, Person, Waiting } from './cast.ts'
import { Draws, type Kind } from './draws.ts'
import { Inbox } from './inbox.ts'
import type { Parts } from './parts.ts'
import { Quiet } from './quiet.ts'
import { VIRTUAL_CLOCK_SQL, VirtualTime } from './virtual-time.ts'

/** Longest that time goes on at once when nobody is at a step: an idle worker looks again before. */
const LONGEST_MS = 60_000
/** A host that slept for so long has lost its leases. */
const SLEEP_MS = 61_000
/** Steps of a schedule that does not end: those that do have 100 to 300. */
const MOST_STEPS = 450

/** Of all messages: how many reach another daemon, too. */
const HEARD_TWICE = 0.3

/** Of all steps: how many are left standing, and for how many draws at most. */
const STALLED = 0.06
const LONGEST_STALL = 60

export interface ScheduleOptions {
  readonly world: E2eWorld
  readonly seed: number
  readonly daemons: readonly string[]
  readonly parts: Parts
  /** how often the host sleeps past the leases */
  readonly sleeps: number
}

/**
 * Daemons whose steps are let go one at a time, messages that reach each of them in an order of their own, and people of both Kojis
 * who act between, in an order that the seed alone decides: the next one is drawn when nothing at all is under way; time (of the
 * process, and of staging's database for our sessions) stands still meanwhile, and goes on only when it is drawn. So the same
 * seed is the same run, step by step.
 */
export class Schedule {
  /** what the daemons logged */
  readonly said: string[] = []
  /** who went on with what, in order */
  readonly trace: string[] = []
  readonly #world: E2eWorld
  readonly #options: ScheduleOptions
  readonly #draws: Draws
  readonly #time = new VirtualTime()
  readonly #quiet = new Quiet()
  readonly #key = new AsyncLocalStorage<string>()
  readonly #waiting: Waiting[] = []
  readonly #sent: { readonly to: Daemon; readonly message: Announcement }[] = []
  readonly #daemons: Daemon[] = []
  readonly #realRandom = Math.random
  #sleeps: number
  #requests = 0
  #isFree = true
  #failure: unknown = null

  private constructor(options: ScheduleOptions) {
    this.#options = options
    this.#world = options.world
    this.#draws = new Draws(options.seed)
    this.#sleeps = options.sleeps
  }

  /** Daemons that have joined, and are at no key yet. From here on time stands still; `close` lets it go. */
  static async open(options: ScheduleOptions): Promise<Schedule> {
    const schedule = new Schedule(options)
    await options.world.sql(VIRTUAL_CLOCK_SQL)
    await schedule.#forOurs('set search_path = vt, pg_catalog, public')
    // Who holds the lock stands still.
    await schedule.#forOurs("set lock_timeout = '20ms'")
    await schedule.#quiet.install()
    schedule.#time.install()
    Math.random = seeded(options.seed)
    try {
      for (const name of options.daemons) schedule.#daemons.push(await schedule.#start(name))
    } catch (error) {
      await schedule.close()
      throw error
    }
    return schedule
  }

  /** Looks for what no message told. */
  async catchUp(name: string): Promise<void> {
    const daemon = this.#daemons.find((one) => one.name === name) as Daemon
    void daemon.catchUp().catch((error: unknown) => this.#fail(error))
  }

  /** All acts of all people, each one's in order, among the steps; then on until every message is heard, and the queue empty. */
  async run(people: readonly Person[]): Promise<void> {
    this.#isFree = false
    for (const daemon of this.#daemons) {
      daemon.ended = daemon.begin()
      for (const ended of daemon.ended) ended.catch((error: unknown) => this.#fail(error))
    }
    await this.#rest()
    while (!(await this.#isOver(people))) {
      await this.#next(people)
      if (this.#failure !== null) throw this.#failure
      if (this.trace.length > MOST_STEPS)
        throw new Error(`it does not end: ${this.trace.slice(-40).join(', ')}`)
    }
  }

  async close(): Promise<void> {
    this.#isFree = true
    Math.random = this.#realRandom
    this.#quiet.uninstall()
    this.#time.uninstall()
    for (const { go } of this.#waiting.splice(0)) go()
    const { StopError } = this.#options.parts
    for (const { stop, inbox } of this.#daemons) {
      stop.abort(new StopError('STOPPED_BY_TEST', 'stopped'))
      inbox.destroy()
    }
    for (const { ended } of this.#daemons) await Promise.allSettled(ended)
    for (const { context } of this.#daemons) await context.destroy()
    await this.#forOurs('reset search_path')
    await this.#forOurs('reset lock_timeout')
    await this.#world.sql('drop schema vt cascade')
  }

  /** Of sessions of ours that begin from now on. */
  async #forOurs(how: string): Promise<void> {
    const [row] = await this.#world.sql<{ name: string }>('select current_database() as name')
    await this.#world.sql(`alter role "${SERVICE_ROLE}" in database ${row?.name} ${how}`)
  }

  async #start(name: string): Promise<Daemon> {
    const config = loadConfig({ file: this.#world.file, env: {}, assignments: ['worker.concurrency=4'] })
    const log = createLog({ level: 'debug', form: 'json', write: (line) => void this.said.push(line) })
    const metrics = new Metrics({ version: 'test', processMetrics: false })
    const step: Step = (text, detail) => this.#gate(name, text, this.#shown(text, detail?.path))
    const { createWorld, Receiver } = this.#options.parts
    const context = createWorld({ config, telemetry: { log, metrics }, step })
    const engine = await context.engine()
    await engine.membership.join({ id: name, host: name, pid: 1, digest: context.digest })
    const worker = engine.worker({ convergers: this.#named(engine.convergers) })
    const inbox = new Inbox()
    const receiver = new Receiver({
      source: inbox,
      topicPrefix: PREFIX,
      instance: 'primary',
      baseUrl: null,
      known: { package: () => null, tag: () => null },
      mark: (marks) => worker.mark(marks),
      onOutcome: () => {},
      onCatchUp: () => {},
    })
    const stop = new AbortController()
    return {
      name,
      context,
      inbox,
      stop,
      wake: () => worker.wake(),
      catchUp: () => engine.catchUp.run(stop.signal),
      begin: () => [worker.run(stop.signal), receiver.run()],
      ended: [],
    }
  }

  /** A step by its name and what it is about: in every run of a seed the same. A request is of all who wait for it. */
  #shown(step: string, path: unknown): string {
    if (typeof path === 'string')
      return `${step} ${path.replace(this.#world.root, '').replaceAll(/\.kss-[^/]*/g, '.kss')}`
    const key = step.startsWith('hub.') ? undefined : this.#key.getStore()
    return key === undefined ? step : `${step} ${key}`
  }

  /** So that steps tell which key they are taken for: a daemon is at several at a time. */
  #named(convergers: Convergers): Convergers {
    return around(convergers, (converge, key) => this.#key.run(formatKey(key), converge))
  }

  #gate(who: string, step: string, shown: string): undefined | Promise<void> {
    if (step === 'hub.answer') this.#requests -= 1
    if (this.#isFree) {
      if (step === 'hub.request') this.#requests += 1
      return undefined
    }
    return new Promise((resolve) => {
      this.#waiting.push({
        shown: `${who} ${shown}`,
        until: 0,
        go: () => {
          if (step === 'hub.request') this.#requests += 1
          resolve()
        },
      })
    })
  }

  async #next(people: readonly Person[]): Promise<void> {
    const acting = people.filter(({ acts }) => acts.length > 0)
    const there: Record<Kind, boolean> = {
      step: this.#waiting.length > 0,
      act: acting.length > 0,
      deliver: this.#sent.length > 0,
      wake: true,
      time: true,
    }
    const kind = this.#draws.kind(there)
    if (kind === 'step') this.#step()
    else if (kind === 'act') await this.#act(this.#draws.pick(acting))
    else if (kind === 'deliver') {
      const { to, message } = this.#draws.take(this.#sent)
      this.trace.push(`${to.name} hears ${message.topic}`)
      to.inbox.push(message, Date.now())
    } else if (kind === 'wake') {
      const daemon = this.#draws.pick(this.#daemons)
      this.trace.push(`${daemon.name} wakes`)
      daemon.wake()
    } else await this.#goOn()
    await this.#rest()
    if (!there.step && !there.act && !there.deliver) await this.#goOn()
  }

  /** Whoever is drawn goes on; now and then he is left standing for a while instead, as a slow host leaves him. */
  #step(): void {
    // Who came first is the machine's: of several that came after one step.
    this.#waiting.sort((a, b) => (a.shown < b.shown ? -1 : a.shown > b.shown ? 1 : 0))
    const awake = this.#waiting.filter(({ until }) => until <= this.#draws.made)
    const one = this.#draws.pick(awake.length > 0 ? awake : this.#waiting)
    if (one.until === 0 && this.#draws.random() < STALLED) {
      one.until = this.#draws.made + Math.floor(this.#draws.random() * LONGEST_STALL)
      return
    }
    this.#waiting.splice(this.#waiting.indexOf(one), 1)
    this.trace.push(one.shown)
    one.go()
  }

  /** One act; what prod announces of it is on its way to one of the daemons, or more. */
  async #act(person: Person): Promise<void> {
    const act = person.acts.shift()
    if (act === undefined) return
    this.trace.push(`${person.name}: ${act.what}`)
    await act.run()
    for (const message of this.#world.kept.splice(0)) {
      const first = this.#draws.pick(this.#daemons)
      for (const to of this.#daemons)
        if (to === first || this.#draws.random() < HEARD_TWICE) this.#sent.push({ to, message })
    }
  }

  /** Time goes on to the next timer, in the database too; now and then past every lease. */
  async #goOn(): Promise<void> {
    const sleeps = this.#sleeps > 0 && this.#waiting.length > 0 && this.#draws.random() < 0.5
    let ms: number | null = SLEEP_MS
    if (sleeps) {
      this.#sleeps -= 1
      this.#time.leap(ms)
    } else ms = this.#time.next(LONGEST_MS)
    if (ms === null) return
    this.trace.push(`${ms} ms`)
    await this.#world.sql(`select setval('vt.now', $1)`, [Math.round(this.#time.nowMs)])
    await this.#rest()
  }

  #rest(): Promise<void> {
    return this.#quiet.rest(this.#time.real.setImmediate, () => this.#requests <= 0)
  }

  async #isOver(people: readonly Person[]): Promise<boolean> {
    if (this.#waiting.length > 0 || this.#sent.length > 0 || people.some(({ acts }) => acts.length > 0))
      return false
    const left = await this.#world.sql(
      `select 1 from staging_sync.queue where parked_at is null
          and (expect is null or waiting_for <> '{}' or due_at <= vt.clock_timestamp() + interval '10 s' or lease_until is not null)
       union all select 1 from staging_sync.debt`,
    )
    return left.length === 0
  }

  #fail(error: unknown): void {
    this.#failure ??= error
  }
}
