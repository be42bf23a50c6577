import { setTimeout as delay } from 'node:timers/promises'
import { asError, OutageError, SafetyError, StopError, SyncError } from '../errors.ts'
import { formatKey } from '../model/key.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Kin } from '../queue/kin.ts'
import type { Claim, Queue } from '../queue/queue.ts'

/** Converges claims that are kin together. */
export interface Together {
  /** Null: this key has no kin. */
  kinOf(claim: Claim): Kin | null
  /**
   * Ends those claims that are plain, and tells of each as it ends; the others stay the caller's. Throws SafetyError, StopError, OutageError,
   * and other errors of what was shared: they are no single key's.
   */
  converge(
    kin: Kin,
    claims: readonly Claim[],
    signal: AbortSignal,
    ended: (claim: Claim, outcome: Outcome) => void,
  ): Promise<void>
}

export interface FloodsOptions {
  readonly queue: Queue
  readonly together: Together
  readonly signal: AbortSignal
  /** a claim has ended, and is nobody's any more */
  readonly onEnded: (claim: Claim, outcome: Outcome, elapsedMs: number) => void
  /** one is gathered or has ended; claims may be for single hands now */
  readonly onChange: () => void
  /** a part is down, or all is to stop: these claims are to be given back */
  readonly onBroken: (claims: readonly Claim[], error: OutageError | StopError) => Promise<void>
  /** what must end the process */
  readonly onFatal: (error: unknown) => void
}

/** Of the keys of one claim, so many kin are the sign of a flood. */
const SIGN = 4
/** Fewer are not worth it. */
const FEW = 20
/** Keys that are converged together, at most. */
const MOST = 2_000
/** The next is read while one is written. */
const AT_ONCE = 2
/** Marks that come one after the other are waited for: what is marked while it is converged is converged once more. */
const PAUSE_MS = 100
const PATIENCE_MS = 2_000
const LOOK_MS = 25

/**
 * When more is due than hands can claim at once, keys that are kin are converged together. What is not plain, and all that a failure
 * leaves, is for single hands, as any key: `next` hands it out. All claims here are held until they have ended or were handed out.
 */
export class Floods {
  readonly #options: FloodsOptions
  readonly #running = new Map<string, Claim>()
  readonly #left: Claim[] = []
  #count = 0
  #gathering = 0
  #markedAtMs = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(options: FloodsOptions) {
    this.#options = options
  }

  /** Whose leases are to be kept. */
  get held(): readonly Claim[] {
    return [...this.#running.values(), ...this.#left]
  }

  get isRunning(): boolean {
    return this.#count > 0
  }

  /** A claim that a free hand is to converge; it is no longer held here. */
  next(): Claim | undefined {
    return this.#left.shift()
  }

  get hasNext(): boolean {
    return this.#left.length > 0
  }

  /** Nothing more is begun. What nobody has begun with. */
  giveUp(): readonly Claim[] {
    this.#stopped = true
    return this.#left.splice(0)
  }

  /** Whether the key is being converged here. */
  isActive(key: string): boolean {
    return this.#running.has(key)
  }

  /** Somebody marked keys. */
  marked(): void {
    this.#markedAtMs = performance.now()
  }

  /** Kin are waited for: what else is due will mostly be kin, too. */
  get isGathering(): boolean {
    return this.#gathering > 0
  }

  /** Of claims that came back full: those that single hands are to begin with. */
  take(claims: readonly Claim[]): readonly Claim[] {
    const { together } = this.#options
    if (this.#count >= AT_ONCE || this.#stopped) return claims
    const kin = mostOf(claims, together)
    if (kin === null) return claims
    const own = claims.filter((claim) => isKin(together.kinOf(claim), kin))
    this.#hold(own)
    this.#count += 1
    void this.#begin(kin, own)
    return claims.filter((claim) => !own.includes(claim))
  }

  #hold(claims: readonly Claim[]): void {
    for (const claim of claims) this.#running.set(formatKey(claim.key), claim)
  }

  async #begin(kin: Kin, own: readonly Claim[]): Promise<void> {
    const { onBroken, onChange } = this.#options
    const open = new Set(own)
    const close = (claim: Claim): void => {
      open.delete(claim)
      this.#running.delete(formatKey(claim.key))
    }
    try {
      for (const claim of await this.#gather(kin, MOST - own.length)) open.add(claim)
      if (open.size >= FEW) await this.#converge(kin, [...open], close)
      this.#left.push(...open)
    } catch (thrown) {
      const error = asError(thrown)
      if (error instanceof OutageError || error instanceof StopError) await onBroken([...open], error)
      else if (error instanceof SyncError && !(error instanceof SafetyError)) this.#left.push(...open)
      else this.#options.onFatal(error)
    } finally {
      for (const claim of open) close(claim)
      this.#count -= 1
      onChange()
    }
  }

  /** More of them, when no more come for a moment. */
  async #gather(kin: Kin, most: number): Promise<readonly Claim[]> {
    const sinceMs = performance.now()
    this.#gathering += 1
    try {
      for (;;) {
        await delay(LOOK_MS)
        if (this.#stopped) throw new StopError('STOPPED', 'stopped')
        const nowMs = performance.now()
        if (nowMs - this.#markedAtMs > PAUSE_MS || nowMs - sinceMs > PATIENCE_MS) break
      }
      const more = await this.#options.queue.claimKin(kin, most)
      this.#hold(more)
      return more
    } finally {
      this.#gathering -= 1
      this.#options.onChange()
    }
  }

  async #converge(kin: Kin, claims: readonly Claim[], close: (claim: Claim) => void): Promise<void> {
    const { together, signal, onEnded } = this.#options
    const startedMs = performance.now()
    await together.converge(kin, claims, signal, (claim, outcome) => {
      close(claim)
      onEnded(claim, outcome, (performance.now() - startedMs) / claims.length)
    })
  }
}

/** What most of the claims have in common, if it is the sign of a flood. */
function mostOf(claims: readonly Claim[], together: Together): Kin | null {
  const groups = new Map<string, { readonly kin: Kin; count: number }>()
  for (const claim of claims) {
    const kin = together.kinOf(claim)
    if (kin === null) continue
    const text = textOf(kin)
    const group = groups.get(text)
    if (group === undefined) groups.set(text, { kin, count: 1 })
    else group.count += 1
  }
  const [most] = [...groups.values()].sort((a, b) => b.count - a.count)
  return most !== undefined && most.count >= SIGN ? most.kin : null
}

function isKin(one: Kin | null, other: Kin): boolean {
  return one !== null && textOf(one) === textOf(other)
}

function textOf({ kinds, within }: Kin): string {
  return `${kinds.join(' ')} ${within}`
}
