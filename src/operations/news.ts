/** What some work tells while it goes on, as an iterable for whoever listens. Keeps what was not read yet. */
export class News<T> {
  readonly #told: T[] = []
  #ended = false
  #wake: (() => void) | null = null

  tell(news: T): void {
    this.#told.push(news)
    this.#wake?.()
  }

  /** Runs the work that tells; `read` ends with it. The promise rejects as the work does, to be awaited after `read`. */
  until<R>(work: () => Promise<R>): Promise<R> {
    const done = work().finally(() => {
      this.#ended = true
      this.#wake?.()
    })
    done.catch(() => {})
    return done
  }

  async *read(): AsyncGenerator<T, void, undefined> {
    for (;;) {
      yield* this.#told.splice(0)
      if (this.#told.length > 0) continue
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
