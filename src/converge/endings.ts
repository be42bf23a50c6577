import { LRUCache } from 'lru-cache'
import type { Part } from '../errors.ts'
import type { Claim } from '../queue/queue.ts'
import type { Converged } from './deps.ts'

/** Errors after which trying again soon is pointless: a person, another version, or prod must change something. */
export const PARK_AT_ONCE = new Set([
  'SCHEMA_CANNOT_HOLD',
  'STORAGE_NAME_UNSAFE',
  'STORAGE_CLASH',
  'STORAGE_OWN_TREE',
  'DRAFT_ID_TAKEN',
  'OWNED_TWICE',
  'CELL_INVALID',
])

/** A race that is lost again and again waits longer each time, up to this. */
const MAX_RACE_DELAY_MS = 5_000

/** A race that is lost so often in a row is none (a unique value that staging holds for good): it counts against the key. */
const MAX_RACES = 12

/** How often in a row keys lost a race, and how long they wait after it. */
export class Races {
  readonly #random: () => number
  readonly #lost = new LRUCache<string, number>({ max: 10_000, ttl: 60_000 })

  constructor(random: () => number) {
    this.#random = random
  }

  /** Milliseconds after which to try again; null: it has lost too often, that is no race. */
  lost(key: string): number | null {
    const times = (this.#lost.get(key) ?? 0) + 1
    if (times >= MAX_RACES) {
      this.#lost.delete(key)
      return null
    }
    this.#lost.set(key, times)
    return Math.min(MAX_RACE_DELAY_MS, 10 * 2 ** Math.min(times, 10)) * (0.5 + this.#random() / 2)
  }

  won(key: string): void {
    this.#lost.delete(key)
  }
}

/** The parts that a round has proved to be up, if it met no outage: only builds have files, and only some rounds touch them. */
export function partsOf({ key }: Claim, result: Converged | null): Part[] {
  const ended = result?.outcome.kind
  const files = key.kind === 'build' && (ended === 'applied' || ended === 'unchanged')
  return files ? ['database', 'hub', 'storage'] : ['database', 'hub']
}
