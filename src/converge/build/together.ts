import type { Call, Hub, ReadOptions } from '../../hub/hub.ts'

/** What surely fits one request of the hub client (`maxCallsPerRequest`). */
const ONE_REQUEST = 150

/**
 * Calls of several kinds that are asked in one request, in order. Too many for one are asked side by side; what was added as
 * `last` is asked when all others have been answered, either way.
 */
export class Together {
  readonly #calls: Call<unknown>[] = []
  #last: readonly Call<unknown>[] = []
  #answers: readonly unknown[] = []

  /** Their answers in order, to be called after `read`. */
  add<T>(calls: readonly Call<T>[]): () => readonly T[] {
    const from = this.#calls.length
    this.#calls.push(...calls)
    return () => this.#answers.slice(from, from + calls.length) as T[]
  }

  last<const C extends readonly Call<unknown>[]>(
    calls: C,
  ): () => { [I in keyof C]: C[I] extends Call<infer T> ? T : never } {
    this.#last = calls
    return () =>
      this.#answers.slice(this.#calls.length) as { [I in keyof C]: C[I] extends Call<infer T> ? T : never }
  }

  async read(hub: Hub, options: ReadOptions): Promise<void> {
    if (this.#calls.length + this.#last.length <= ONE_REQUEST) {
      this.#answers = await hub.read([...this.#calls, ...this.#last], options)
      return
    }
    const parts: Call<unknown>[][] = []
    for (let from = 0; from < this.#calls.length; from += ONE_REQUEST)
      parts.push(this.#calls.slice(from, from + ONE_REQUEST))
    const answers = await Promise.all(parts.map((calls) => hub.read(calls, options)))
    this.#answers = [...answers.flat(), ...(await hub.read(this.#last, options))]
  }
}
