/**
 * Pays the repo race's debts a moment after the commits that made them, many in one transaction: nobody waits for it (kojira
 * looks every minute or so), and one announcement per tag and moment is enough.
 */
export class DebtPayer {
  readonly #pay: () => Promise<unknown>
  readonly #delayMs: number
  #timer: NodeJS.Timeout | null = null
  #paying: Promise<void> = Promise.resolve()

  /** Errors of `pay` are dropped: what is left is paid with the next, by the daemon's own loop, or at its next start. */
  constructor(pay: () => Promise<unknown>, delayMs: number) {
    this.#pay = pay
    this.#delayMs = delayMs
  }

  /** There may be a debt. */
  due(): void {
    this.#timer ??= setTimeout(() => this.#start(), this.#delayMs)
  }

  /** Pays what is due now, and returns when that is done. */
  async settle(): Promise<void> {
    if (this.#timer !== null) this.#start()
    await this.#paying
  }

  #start(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#paying = this.#paying.then(async () => {
      await this.#pay().catch(() => {})
    })
  }
}
