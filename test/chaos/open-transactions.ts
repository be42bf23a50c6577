import type { ProdWorld } from '../sim/prod-world.ts'
import type { Dice } from './dice.ts'

type Open = Awaited<ReturnType<ProdWorld['begin']>>

interface Held {
  readonly open: Open
  /** what is true once it is committed */
  readonly notes: (() => void)[]
}

/** Transactions of one Koji's people that are open at the same time, and end in any order. */
export class OpenTransactions {
  readonly #world: ProdWorld
  readonly #most: number
  readonly #held: Held[] = []

  constructor(world: ProdWorld, most: number) {
    this.#world = world
    this.#most = most
  }

  get last(): Held | undefined {
    return this.#held.at(-1)
  }

  async begin(): Promise<string> {
    if (this.#held.length >= this.#most) return 'enough are open'
    this.#held.push({ open: await this.#world.begin(), notes: [] })
    return `${this.#held.length} are open`
  }

  /** One of them. Throws NothingThere. */
  async close(dice: Dice, how: 'commit' | 'rollback'): Promise<string> {
    await this.end(dice.of(this.#held), how)
    return `${this.#held.length} are left`
  }

  async end(held: Held, how: 'commit' | 'rollback'): Promise<void> {
    this.#held.splice(this.#held.indexOf(held), 1)
    await held.open[how]()
    if (how === 'commit') for (const note of held.notes) note()
  }

  /** In the order in which they began; most are committed. What a server that was stopped had open, it has rolled back. */
  async endAll(dice: Dice): Promise<void> {
    for (const held of [...this.#held])
      await this.end(held, dice.chance(0.8) ? 'commit' : 'rollback').catch((error: unknown) => {
        if (!/terminat|connection|queryable/i.test(String(error))) throw error
      })
  }

  async rollbackAll(): Promise<void> {
    for (const held of [...this.#held]) await this.end(held, 'rollback').catch(() => {})
  }
}
