import { OutageError } from '../../errors.ts'
import type { Key } from '../../model/key.ts'
import type { Breakers } from '../breakers.ts'
import type { Converged, Converger, Deps } from '../deps.ts'

type BuildKey = Extract<Key, { kind: 'build' }>

/** Builds that are remembered to need room; others learn it anew. */
const MAX_WAITING = 100_000

/**
 * While copies find no room (STORAGE_NO_SPACE) only the builds that found none wait, and nothing is asked of prod for them: all else
 * goes on, also builds that are linked. Whether there is room again is tried by one of them at a time; then all come.
 */
export class RoomGate implements Converger<BuildKey> {
  readonly #inner: Converger<BuildKey>
  readonly #queue: Deps['queue']
  readonly #breakers: Breakers
  /** by prod's id */
  readonly #waiting: Set<number>

  constructor(
    inner: Converger<BuildKey>,
    queue: Deps['queue'],
    room: { readonly breakers: Breakers; readonly waiting: Set<number> },
  ) {
    this.#inner = inner
    this.#queue = queue
    this.#breakers = room.breakers
    this.#waiting = room.waiting
  }

  foresee(...asked: Parameters<NonNullable<Converger<BuildKey>['foresee']>>): unknown {
    return this.#waiting.has(asked[0].buildId) ? undefined : this.#inner.foresee?.(...asked)
  }

  async converge(...asked: Parameters<Converger<BuildKey>['converge']>): Promise<Converged> {
    const [key, claim, signal] = asked
    if (this.#waiting.has(key.buildId)) {
      const backMs = await this.#breakers.gate('space', signal)
      if (backMs !== null) {
        await this.#queue.release([claim], { delayMs: backMs })
        const outcome = { kind: 'again', reason: 'STORAGE_NO_SPACE: there is no room yet' } as const
        return { outcome, unmet: [], fenced: true }
      }
    }
    try {
      const result = await this.#inner.converge(...asked)
      this.#waiting.delete(key.buildId)
      return result
    } catch (error) {
      const isFull = error instanceof OutageError && error.part === 'space'
      if (isFull && this.#waiting.size < MAX_WAITING) this.#waiting.add(key.buildId)
      throw error
    }
  }
}
