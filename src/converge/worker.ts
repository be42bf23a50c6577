import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AgainError, OutageError, SafetyError, StopError } from '../errors.ts'
import { formatKey, type Key } from '../model/key.ts'
import type { Mark } from '../model/outcome.ts'
import type { Breaker } from '../queue/breaker.ts'
import type { Claim, Queue } from '../queue/queue.ts'
import { converged as convergedEvent, type Telemetry } from '../telemetry/events.ts'
import { Breakers, type PartPermit, type Probes } from './breakers.ts'
import { ClaimEnds } from './claim-ends.ts'
import { DebtPayer } from './debts.ts'
import type { Converged, Converger, Convergers } from './deps.ts'
import { partsOf } from './endings.ts'
import { Failures } from './failures.ts'
import { Finisher } from './finisher.ts'
import { Floods, type Together } from './floods.ts'
import { foresee } from './foresee.ts'
import { Wake } from './wake.ts'

export interface WorkerOptions {
  readonly queue: Queue
  readonly convergers: Convergers
  readonly breakers: readonly Breaker[]
  /** parts that are tried by themselves when they were down */
  readonly probes?: Probes
  readonly telemetry: Telemetry
  /** keys that are converged at a time */
  readonly concurrency: number
  /** how long what is being converged may still take when the signal says stop */
  readonly graceMs: number
  /** between two looks at the queue when nobody wakes us */
  readonly idleMs: number
  /** the database's clock, milliseconds since 1970, as this process estimates it: for the lag metric only */
  readonly databaseNowMs: () => number
  readonly random: () => number
  /** pays the debts of what was committed (`staging/debt.ts`) */
  readonly payDebts: () => Promise<unknown>
  /** converges keys that are kin together, when there is a flood of them */
  readonly together?: Together
  /** told how each round ended that did not fail */
  readonly onEnded?: (key: Key, result: Converged) => void
  /** told each time the loop comes round */
  readonly onTurn?: () => void
}

/** Well under a lease, so that a slow key keeps it. */
const RENEW_MS = 15_000

/** Debts of so many milliseconds are paid together. */
const DEBT_DELAY_MS = 250

/**
 * Claims keys, converges them, ends the claims. The only loop that does, shared by the live path, catch-up and people.
 *
 * How a converger ends decides everything (`Outcome`, and the table of `errors.ts`): only a key's own errors count
 * against it, outages open the breaker of their part and give the key back, a SafetyError stops all writing.
 */
export class Worker {
  readonly #options: WorkerOptions
  readonly #active = new Map<string, Claim>()
  readonly #wake = new Wake()
  readonly #finisher: Finisher
  readonly #debts: DebtPayer
  readonly #breakers: Breakers
  readonly #failures: Failures
  readonly #ends: ClaimEnds
  /** null: each key is converged alone */
  readonly #floods: Floods | null
  /** Something may be due: we were told so, or the last claim came back full. Otherwise a free hand need not look. */
  #more = true
  /** The last claim came back full: there is so much to do that hands are filled some at a time. */
  #plenty = false
  #fatal: unknown = null
  readonly #hard = new AbortController()
  #running = false

  constructor(options: WorkerOptions) {
    this.#options = options
    this.#finisher = new Finisher(options.queue)
    this.#debts = new DebtPayer(options.payDebts, DEBT_DELAY_MS)
    this.#breakers = new Breakers(options.breakers, options.telemetry, options.probes)
    this.#ends = new ClaimEnds(options.queue, (error) => this.#breakers.tell([], { tried: [], error }))
    this.#failures = new Failures({ ...options, ends: this.#ends, stop: this.#hard.signal })
    // Every read of every key under way listens to it.
    setMaxListeners(0, this.#hard.signal)
    this.#floods = options.together === undefined ? null : this.#openFloods(options.together)
  }

  /** There may be something to claim. */
  wake(): void {
    this.#floods?.marked()
    this.#more = true
    this.#wake.call()
  }

  /**
   * Marks keys durably; what fits into free hands is claimed in the same round trip, so that a message need not wait for the
   * queue to be looked at.
   */
  async mark(marks: readonly Mark[]): Promise<void> {
    this.#floods?.marked()
    const free = this.#running && this.#breakers.healthy ? this.#free : 0
    if (free < marks.length) {
      await this.#options.queue.mark(marks)
      this.wake()
      return
    }
    const foreseen = foresee(this.#options.convergers, marks, {
      isActive: (key) => this.#active.has(key) || this.#floods?.isActive(key) === true,
      signal: this.#hard.signal,
    })
    const claims = await this.#options.queue.markAndClaim(marks).catch((error: unknown) => {
      this.#ends.answerLost()
      throw error
    })
    if (this.#running && this.#fatal === null)
      for (const claim of claims) this.#start(claim, [], foreseen.get(formatKey(claim.key)))
    // It has stopped meanwhile: nobody would wait for what is started now.
    else await this.#ends.giveBackAll(claims)
  }

  /** Works until the signal, then ends what is under way within the grace. Throws what must end the process. */
  async run(signal: AbortSignal): Promise<void> {
    this.#running = true
    const renewing = setInterval(() => void this.#renew(), RENEW_MS)
    const stop = (): void => this.#wake.call()
    signal.addEventListener('abort', stop)
    try {
      while (!signal.aborted && this.#fatal === null) {
        this.#options.onTurn?.()
        await this.#turn(signal)
      }
    } catch (error) {
      if (!(error instanceof StopError)) this.#fatal ??= error
    } finally {
      this.#running = false
      signal.removeEventListener('abort', stop)
      await this.#drain()
      clearInterval(renewing)
    }
    if (this.#fatal !== null) throw this.#fatal
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const permits = await this.#breakers.permits(signal, () => this.#options.onTurn?.())
    const { probing } = this.#breakers
    if (!probing) this.#startLeft()
    const free = this.#free
    const most = this.#floods?.isGathering === true ? 0 : free
    const wanted = probing ? Math.min(1, most) : most
    let claims: readonly Claim[] = []
    try {
      if (wanted > 0) {
        // Told again while we look: then we look again.
        this.#more = false
        claims = await this.#options.queue.claim(wanted)
        this.#plenty = claims.length >= wanted
        if (this.#plenty) this.#more = true
        if (this.#plenty && this.#breakers.allHealthy) claims = this.#floods?.take(claims) ?? claims
      }
    } catch (error) {
      this.#more = true
      this.#ends.answerLost()
      this.#breakers.tell(permits, { tried: ['database'], error })
      if (!(error instanceof OutageError) && !(error instanceof AgainError)) throw error
      return
    }
    if (await this.#ends.settle(() => [...this.#held, ...claims])) this.#more = true
    if (claims.length === 0) {
      // Claiming was the probe of the database; the others wait for the next key.
      this.#breakers.tell(permits, { tried: wanted > 0 ? ['database'] : [], error: null })
      await this.#rest(signal, wanted > 0)
      return
    }
    // It ended while we looked: others need not wait for what is under way.
    if (this.#fatal !== null) return this.#ends.giveBackAll(claims)
    for (const [i, claim] of claims.entries()) this.#start(claim, i === 0 ? permits : [])
    if (!this.#mayClaim || probing) await this.#rest(signal, !this.#plenty)
  }

  /** All that is claimed here. */
  get #held(): Claim[] {
    return [...this.#active.values(), ...(this.#floods?.held ?? [])]
  }

  #openFloods(together: Together): Floods {
    return new Floods({
      queue: this.#options.queue,
      together,
      signal: this.#hard.signal,
      onEnded: (claim, outcome, elapsedMs) => {
        if (outcome.kind === 'applied') this.#debts.due()
        this.#report(claim, { outcome, unmet: [], fenced: true }, elapsedMs)
      },
      onChange: () => {
        this.#more = true
        this.#wake.call()
      },
      onBroken: async (claims, error) => {
        this.#breakers.tell([], { tried: [], error })
        if (error instanceof OutageError && error.part === 'database') this.#ends.answerLost()
        await this.#ends.giveBackAll(claims)
      },
      onFatal: (error) => void this.#die(error),
    })
  }

  /** What floods have left goes first: it is claimed already. */
  #startLeft(): void {
    while (this.#free > 0) {
      const claim = this.#floods?.next()
      if (claim === undefined) return
      this.#start(claim, [])
    }
  }

  get #free(): number {
    return this.#options.concurrency - this.#active.size
  }

  /**
   * Something may be due, and hands are free. While there is plenty a claim is worth its round trip only for some hands at once;
   * the others are at work meanwhile.
   */
  get #mayClaim(): boolean {
    if (this.#floods?.hasNext === true && this.#free > 0) return true
    if (this.#floods?.isGathering === true) return false
    const least = this.#plenty ? Math.ceil(this.#options.concurrency / 4) : 1
    return this.#more && this.#free >= least
  }

  /** Until there may be something to claim and a hand to do it, a key is due by its schedule, or the idle time is over. */
  async #rest(signal: AbortSignal, all: boolean): Promise<void> {
    const untilMs = performance.now() + (all ? await this.#idleMs() : this.#options.idleMs)
    for (;;) {
      const leftMs = untilMs - performance.now()
      if (leftMs <= 0 || signal.aborted || this.#fatal !== null || this.#mayClaim) return
      await this.#wake.wait(leftMs, signal)
    }
  }

  /** All that is due has been claimed: when the next one is. */
  async #idleMs(): Promise<number> {
    const due = await this.#options.queue.nextDueMs().catch(() => null)
    return Math.max(10, Math.min(this.#options.idleMs, due ?? this.#options.idleMs))
  }

  #start(claim: Claim, permits: readonly PartPermit[], foreseen?: unknown): void {
    const text = formatKey(claim.key)
    this.#active.set(text, claim)
    void this.#converge(claim, permits, foreseen)
      .catch((error) => this.#die(error))
      .finally(() => {
        if (this.#active.get(text) === claim) this.#active.delete(text)
        this.#wake.call()
      })
  }

  /** Nothing more is begun. After a SafetyError nothing is written either: what is given back fails at its fence. */
  async #die(error: unknown): Promise<void> {
    this.#fatal ??= error
    if (!(error instanceof SafetyError)) return
    this.#hard.abort(new StopError('STOPPED', 'stopped for safety'))
    await this.#ends.giveBackAll(this.#held)
  }

  async #converge(claim: Claim, permits: readonly PartPermit[], foreseen: unknown): Promise<void> {
    const startedMs = performance.now()
    const converger = this.#options.convergers[claim.key.kind] as Converger
    try {
      // Only builds have files; all other keys go on while the disk is down.
      const backMs =
        claim.key.kind === 'build' ? await this.#breakers.gate('storage', this.#hard.signal) : null
      if (backMs !== null) {
        this.#breakers.tell(permits, { tried: [], error: null })
        await this.#ends.giveBack(claim, backMs)
        return
      }
      const result = await converger.converge(claim.key, claim, this.#hard.signal, foreseen)
      this.#breakers.tell(permits, { tried: partsOf(claim, result), error: null })
      if (!result.fenced)
        await this.#finisher.finish({ claim, outcome: result.outcome, relook: result.unmet })
      this.#failures.won(claim)
      if (result.fenced) this.#debts.due()
      this.#report(claim, result, performance.now() - startedMs)
    } catch (error) {
      this.#breakers.tell(permits, { tried: partsOf(claim, null), error })
      await this.#failures.met(claim, error, performance.now() - startedMs)
    }
  }

  #report(claim: Claim, result: Converged, elapsedMs: number): void {
    const applied = result.outcome.kind === 'applied' && claim.priority === 'live'
    const lagMs = applied ? this.#options.databaseNowMs() - claim.markedAtMs : null
    this.#options.onEnded?.(claim.key, result)
    convergedEvent(this.#options.telemetry, claim.key, { outcome: result.outcome, elapsedMs, lagMs })
  }

  async #renew(): Promise<void> {
    const held = this.#held
    if (held.length > 0) await this.#ends.quietly(() => this.#options.queue.renew(held))
  }

  /** Waits for what is under way; past the grace the work is told to stop, and given back. */
  async #drain(): Promise<void> {
    const deadline = AbortSignal.timeout(this.#options.graceMs)
    const hard = (): void => this.#hard.abort(new StopError('STOPPED', 'stopped'))
    deadline.addEventListener('abort', hard)
    await this.#ends.giveBackAll(this.#floods?.giveUp() ?? [])
    const isBusy = (): boolean => this.#active.size > 0 || this.#floods?.isRunning === true
    while (isBusy() && !deadline.aborted) await this.#wake.wait(50, deadline)
    deadline.removeEventListener('abort', hard)
    if (isBusy()) await delay(100)
    await this.#ends.giveBackAll(this.#held)
    await this.#finisher.idle()
    await this.#debts.settle()
  }
}
