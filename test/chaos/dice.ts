import { seeded } from '../e2e/gates.ts'

/** What there is none of to pick from: the action does not happen. */
export class NothingThere extends Error {}

/** Draws of one action. */
export class Dice {
  readonly random: () => number
  constructor(seed: number) {
    this.random = seeded(seed)
  }

  /** Throws NothingThere. */
  of<T>(items: readonly T[]): T {
    if (items.length === 0) throw new NothingThere('nothing to pick from')
    return items[Math.floor(this.random() * items.length)] as T
  }

  below(end: number): number {
    return Math.floor(this.random() * end)
  }

  chance(share: number): boolean {
    return this.random() < share
  }
}
