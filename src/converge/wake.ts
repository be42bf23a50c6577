/** A bell that is heard once: a call while nobody waits is remembered for the next who does. */
export class Wake {
  #called = false
  #waiting: (() => void) | null = null

  call(): void {
    this.#called = true
    this.#waiting?.()
  }

  /** Returns at a call, after `ms`, or when the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#called && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const end = (): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          this.#waiting = null
          resolve()
        }
        const timer = setTimeout(end, ms)
        signal.addEventListener('abort', end)
        this.#waiting = end
      })
    }
    this.#called = false
  }
}
