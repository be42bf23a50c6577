import type { SeedNews } from '../model/seed.ts'
import { placeLinks } from '../seed/place-links.ts'
import type { SeedTools } from './world.ts'

/** Links that are made on a connection of their own, while the server makes indexes. */
export class LinksBeside {
  readonly #tools: SeedTools
  readonly #database: string
  readonly #tell: (news: SeedNews) => void
  readonly #signal: AbortSignal
  readonly #stop = new AbortController()
  #work: Promise<number> = Promise.resolve(0)

  constructor(tools: SeedTools, database: string, tell: (news: SeedNews) => void, signal: AbortSignal) {
    this.#tools = tools
    this.#database = database
    this.#tell = tell
    this.#signal = signal
  }

  start(): void {
    this.#work = this.#place()
    // Told by `end`; until then the rest goes on.
    this.#work.catch(() => {})
  }

  /** How many were placed. Throws what `placeLinks` does. */
  end(): Promise<number> {
    return this.#work
  }

  /** Nothing is placed any more when it returns. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#work.catch(() => {})
  }

  async #place(): Promise<number> {
    const session = await this.#tools.open(this.#database)
    try {
      return await placeLinks({
        session,
        placementOf: (mode) => this.#tools.placements.byMode(mode),
        signal: AbortSignal.any([this.#signal, this.#stop.signal]),
        onProgress: (done, of) => this.#tell({ kind: 'placing', done, of }),
      })
    } finally {
      await session.close()
    }
  }
}
