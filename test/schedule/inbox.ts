import type { BusMessage, BusSource } from '../../src/bus/source.ts'
import { PREFIX } from '../e2e/world.ts'
import type { Announcement } from '../sim/world/transaction.ts'

/** A bus that a test hands one daemon its messages by: what it is given arrives at once, and is never lost. */
export class Inbox implements BusSource {
  readonly #waiting: BusMessage[] = []
  #wake: (() => void) | null = null
  #over = false

  start(): void {}

  destroy(): void {
    this.#over = true
    this.#wake?.()
  }

  push({ topic, body }: Announcement, nowMs: number): void {
    const message = { instance: 'primary', ...body }
    this.#waiting.push({
      id: null,
      topic: `${PREFIX}${topic}`,
      body: message,
      receivedAtMs: nowMs,
      sentAtMs: null,
      wire: null,
    })
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<BusMessage> {
    while (!this.#over) {
      const next = this.#waiting.shift()
      if (next !== undefined) yield next
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
