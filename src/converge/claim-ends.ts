import type { Claim, Queue } from '../queue/queue.ts'

/**
 * Ends claims that are not finished by their converger, also when the queue cannot be told at once: a claim whose end could
 * not be told, since the database was down, is given back when it is up again.
 */
export class ClaimEnds {
  readonly #queue: Queue
  readonly #onError: (error: unknown) => void
  /** Claims that ended while the database was down. */
  readonly #owed: Claim[] = []
  /** The database was down: the answer to a claim may have been lost with it. */
  #lostAnswers = false

  /** `onError` hears what the queue throws. */
  constructor(queue: Queue, onError: (error: unknown) => void) {
    this.#queue = queue
    this.#onError = onError
  }

  /** A statement's answer did not come: what it claimed is nobody's. */
  answerLost(): void {
    this.#lostAnswers = true
  }

  giveBack(claim: Claim, delayMs: number): Promise<void> {
    return this.orLater(claim, () => this.#queue.release([claim], { delayMs }))
  }

  async orLater(claim: Claim, end: () => Promise<unknown>): Promise<void> {
    const told = await this.quietly(end)
    if (!told) this.#owed.push(claim)
  }

  /** Tells the queue what it does not know yet; `held` are the claims that we work on. Whether keys may have become free. */
  async settle(held: () => readonly Claim[]): Promise<boolean> {
    let freed = false
    if (this.#lostAnswers) {
      this.#lostAnswers = false
      freed = await this.quietly(() => this.#queue.endLost([...held(), ...this.#owed]))
    }
    const owed = this.#owed.splice(0)
    if (owed.length > 0) {
      const told = await this.quietly(() => this.#queue.release(owed, { delayMs: 0 }))
      if (!told) this.#owed.push(...owed)
    }
    return freed
  }

  /** Gives back all of these, and what is owed; what cannot be told is told by the end of the lease. */
  async giveBackAll(claims: readonly Claim[]): Promise<void> {
    const left = [...claims, ...this.#owed.splice(0)]
    if (left.length > 0) await this.quietly(() => this.#queue.release(left, { delayMs: 0 }))
  }

  /** Whether it went well. */
  async quietly(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      this.#lostAnswers = true
      this.#onError(error)
      return false
    }
  }
}
