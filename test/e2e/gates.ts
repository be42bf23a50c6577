import type { Step } from '../../src/step.ts'
import { PATIENCE_MS } from '../support/patience.ts'

type Detail = Readonly<Record<string, unknown>> | undefined
type Matches = (name: string, detail: Detail) => boolean

/** Somebody who stands at a step until he is let go. */
export interface Held {
  readonly name: string
  /** Lets him go on; with an error: the step fails with it. */
  go(error?: Error): void
}

interface Gate {
  readonly matches: Matches
  readonly act: (name: string) => Promise<void> | undefined
  uses: number
}

/**
 * The seam of one daemon. By default everything passes; a gate holds, fails or runs something at the next steps that match.
 * Every step is remembered by name.
 */
export class Gates {
  readonly passed: string[] = []
  readonly #gates: Gate[] = []
  readonly #held: (() => void)[] = []

  readonly step: Step = (name, detail) => {
    this.passed.push(name)
    const gate = this.#gates.find((one) => one.uses > 0 && one.matches(name, detail))
    if (gate === undefined) return undefined
    gate.uses -= 1
    return Promise.race([gate.act(name), new Promise<void>((go) => this.#held.push(go))])
  }

  /** Holds the next who comes to that step. Resolves when he stands there. */
  hold(where: string | Matches): Promise<Held> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`nobody came to ${String(where)}; last: ${this.passed.slice(-30).join(' ')}`))
      }, PATIENCE_MS)
      this.#add(where, 1, (name) => {
        clearTimeout(timer)
        return new Promise<void>((pass, fail) => {
          resolve({ name, go: (error) => (error === undefined ? pass() : fail(error)) })
        })
      })
    })
  }

  /** The next `uses` of that step fail with this error. Returns a function that ends it. */
  fail(where: string | Matches, make: () => Error, uses = Number.POSITIVE_INFINITY): () => void {
    return this.#add(where, uses, () => Promise.reject(make()))
  }

  /** Holds all who come there, until the returned function is called. */
  pause(where: string | Matches): () => void {
    const going: (() => void)[] = []
    const end = this.#add(where, Number.POSITIVE_INFINITY, () => new Promise((go) => going.push(go)))
    return () => {
      end()
      for (const go of going.splice(0)) go()
    }
  }

  /** Lets all go, and everything pass: a test that failed must be able to close. */
  open(): void {
    for (const gate of this.#gates) gate.uses = 0
    for (const go of this.#held.splice(0)) go()
  }

  /** Runs something before the next who comes there goes on. */
  before(where: string | Matches, work: () => Promise<void>): void {
    this.#add(where, 1, () => work())
  }

  #add(where: string | Matches, uses: number, act: Gate['act']): () => void {
    const matches: Matches = typeof where === 'string' ? (name) => name === where : where
    const gate: Gate = { matches, act, uses }
    this.#gates.push(gate)
    return () => {
      gate.uses = 0
    }
  }
}

/** mulberry32: the same numbers in [0, 1) for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const rest = [...items]
  for (let at = rest.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1))
    ;[rest[at], rest[other]] = [rest[other] as T, rest[at] as T]
  }
  return rest
}

/**
 * One step at a time, in an order that the seed decides: whoever comes waits until he is drawn. He is drawn when all who
 * could come have had the time to: a moment after the last one came.
 */
export class OneAtATime {
  readonly #random: () => number
  readonly #waiting: (() => void)[] = []
  #drawing = false
  #ended = false

  constructor(seed: number) {
    this.#random = seeded(seed)
  }

  readonly step: Step = () => {
    if (this.#ended) return undefined
    return new Promise<void>((resolve) => {
      this.#waiting.push(resolve)
      void this.#draw()
    })
  }

  /** From now on everything passes. */
  end(): void {
    this.#ended = true
    for (const go of this.#waiting.splice(0)) go()
  }

  async #draw(): Promise<void> {
    if (this.#drawing) return
    this.#drawing = true
    while (this.#waiting.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      const at = Math.floor(this.#random() * this.#waiting.length)
      this.#waiting.splice(at, 1)[0]?.()
    }
    this.#drawing = false
  }
}
