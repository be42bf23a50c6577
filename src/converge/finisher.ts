import type { FinishedClaim, Queue } from '../queue/queue.ts'

interface Pending {
  readonly finished: FinishedClaim
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Ends claims that wrote nothing, many in one statement: whatever is ready goes together, nobody waits to fill a batch. */
export class Finisher {
  readonly #queue: Pick<Queue, 'finish'>
  #pending: Pending[] = []
  #flushing: Promise<void> | null = null

  constructor(queue: Pick<Queue, 'finish'>) {
    this.#queue = queue
  }

  /** Resolves when the claim has ended. Rejects with what the queue throws. */
  finish(finished: FinishedClaim): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ finished, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#flushing
  }

  async #flush(): Promise<void> {
    // Let what ends in the same turn of the event loop come along.
    await Promise.resolve()
    while (this.#pending.length > 0) {
      const batch = this.#pending
      this.#pending = []
      try {
        await this.#queue.finish(batch.map(({ finished }) => finished))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#flushing = null
  }
}
