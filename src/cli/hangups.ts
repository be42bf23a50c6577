/** SIGHUPs as they come; several that nobody has seen yet are one. */
export class Hangups {
  #pending = false
  #wake: () => void = () => {}
  readonly #handle = (): void => {
    this.#pending = true
    this.#wake()
  }

  /** `taken` false: the signal does what it would without us. */
  constructor(taken: boolean) {
    if (taken) process.on('SIGHUP', this.#handle)
  }

  /** True when one has come, false when the signal aborts before. */
  async next(over: AbortSignal): Promise<boolean> {
    const stop = (): void => this.#wake()
    over.addEventListener('abort', stop)
    try {
      while (!this.#pending && !over.aborted)
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    } finally {
      over.removeEventListener('abort', stop)
    }
    if (over.aborted) return false
    this.#pending = false
    return true
  }

  close(): void {
    process.off('SIGHUP', this.#handle)
  }
}
