import { setTimeout as delay } from 'node:timers/promises'
import type { Converged } from '../converge/deps.ts'
import { StopError } from '../errors.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { OpenKeys } from '../model/open-keys.ts'
import { QUEUE_CHANNEL } from '../queue/queue.ts'
import { type Daemon, listDaemons } from '../staging/daemons.ts'
import { isStuck, readFailing } from './failing.ts'
import { refuseOutage } from './outage.ts'
import type { Engine } from './world.ts'

/** Between two looks at the queue. */
const POLL_MS = 200
/** Every so manieth of them also looks whether the daemons are still there. */
const LOOKS_FOR_DAEMONS = 10

/** A daemon may take so long for a change that a message just told of: before that it is no drift. */
export const LIVE_MS = 2_000

export interface CrewOptions {
  /** the command, as errors call it */
  readonly what?: string
  /** runs beside, until its signal */
  readonly beside?: (signal: AbortSignal) => Promise<void>
}

/** Who sees marked keys through: a worker of this process, unless a daemon runs. */
export class Crew {
  readonly #engine: Engine
  readonly #daemon: Daemon
  readonly #what: string
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #marked = new Set<string>()
  readonly #held = new Set<string>()
  readonly #running: Promise<void>[] = []
  #works = false
  #failure: unknown = null

  /** `others`: whether daemons run that work on the queue. */
  constructor(
    engine: Engine,
    daemon: Daemon,
    signal: AbortSignal,
    others: boolean,
    { what = 'command', beside }: CrewOptions = {},
  ) {
    this.#engine = engine
    this.#daemon = daemon
    this.#what = what
    this.#signal = AbortSignal.any([signal, this.#stop.signal])
    this.#start(engine.membership.stay(this.#signal))
    if (beside !== undefined) this.#start(beside(this.#signal))
    if (!others) this.#work()
  }

  /** Throws what ended the work, OutageError for a part that stays down. */
  check(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#signal.aborted) {
      const code = `${this.#what.toUpperCase().replace('-', '_')}_STOPPED`
      throw new StopError(code, `the ${this.#what} was given up`)
    }
    refuseOutage(this.#engine)
  }

  /** Many keys at a time are converged together, where this process does the work. */
  async mark(keys: readonly Key[]): Promise<void> {
    if (keys.length === 0) return
    this.follow(keys)
    const { many, queue } = this.#engine
    const { taken, left } = this.#works ? many.takes(keys) : { taken: [], left: keys }
    await queue.mark(left.map((key) => ({ key, priority: 'sweep' })))
    if (taken.length > 0) await many.converge(taken, this.#signal)
  }

  /** Keys that somebody else has marked and that are to be seen through, too. */
  follow(keys: readonly Key[]): void {
    for (const key of keys) this.#marked.add(formatKey(key))
  }

  /**
   * Until what was marked, and what that marked in its turn, has left the queue, is parked, or only fails again and again. `onLook`
   * gets the sweeps that are left, where somebody wants to know.
   */
  async finish(onLook?: (left: number) => void): Promise<void> {
    if (this.#marked.size === 0) return
    for (let look = 1; ; look += 1) {
      this.check()
      if (look % LOOKS_FOR_DAEMONS === 0) await this.#replaceDaemons()
      const left = await this.#countLeft(onLook === undefined ? 1 : 1_000_000)
      onLook?.(left)
      if (left === 0) return
      // Of what has ended since that look, nothing is stuck.
      if ((await this.#isStuck()) && (await this.#countLeft(1)) > 0) return
      await delay(POLL_MS, undefined, { signal: this.#signal }).catch(() => {})
    }
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
  }

  /** How marked keys ended, as far as they did not end well. */
  async ends(): Promise<OpenKeys> {
    const { database } = this.#engine
    const keys = [...this.#marked]
    const rows = await database.query<{ key: string }>(
      'crew.held',
      `select c.key from staging_sync.clash c where c.key = any($1::text[]) and c.state = 'held' and c.resolved_at is null`,
      [keys],
    )
    for (const { key } of rows) this.#held.add(key)
    return { heldKeys: this.#held.size, ...(await readFailing(database, keys)) }
  }

  async #isStuck(): Promise<boolean> {
    const { database } = this.#engine
    if (!(await isStuck(database, 'sweep', null))) return false
    return isStuck(database, 'live', [...this.#marked])
  }

  async #countLeft(most: number): Promise<number> {
    const [row] = await this.#engine.database.query<{ left: number }>(
      'crew.left',
      `select count(*)::int as left from (select 1 from staging_sync.queue where parked_at is null and priority = 1
          and (expect is null or waiting_for <> '{}' or due_at <= clock_timestamp() or lease_until is not null) limit $1) q`,
      [most],
      { prepare: false },
    )
    const left = row?.left ?? 0
    return left > 0 ? left : this.#countUrgent()
  }

  /** Of what was marked, what a message or somebody who waits for it has made urgent. What else is live is none of ours. */
  async #countUrgent(): Promise<number> {
    const rows = await this.#engine.database.query<{ key: string }>(
      'crew.urgent',
      `select key from staging_sync.queue where parked_at is null and priority = 0 limit 10000`,
      [],
      { prepare: false },
    )
    return rows.filter(({ key }) => this.#marked.has(key)).length
  }

  #work(): void {
    this.#works = true
    const worker = this.#engine.worker({ onEnded: (key, result) => this.#note(key, result) })
    this.#start(worker.run(this.#signal))
    this.#start(this.#engine.database.listen(QUEUE_CHANNEL, () => worker.wake(), this.#signal))
  }

  #start(work: Promise<void>): void {
    const watched = work.catch((error: unknown) => {
      this.#failure ??= error
      this.#stop.abort()
    })
    this.#running.push(watched)
  }

  /** The daemon that was to do the work may have gone. */
  async #replaceDaemons(): Promise<void> {
    if (this.#works) return
    const others = (await listDaemons(this.#engine.database)).filter(({ id }) => id !== this.#daemon.id)
    if (others.length === 0) this.#work()
  }

  /** Whether a key ended held is noted: the gate for removals leaves no other trace. */
  #note(key: Key, { outcome }: Converged): void {
    const text = formatKey(key)
    if (outcome.kind === 'held') this.#held.add(text)
    else this.#held.delete(text)
  }
}
