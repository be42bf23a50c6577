import { seeded } from '../e2e/gates.ts'
import { localNames } from './local-actions.ts'
import { prodNames } from './prod-actions.ts'

/** One thing that happens. What it hits is drawn from `seed` when it happens, from what there is then. */
export interface Action {
  readonly what: string
  readonly seed: number
}

/** A run: the same for the same seed and length. A shorter one is a prefix of a longer one. */
export interface Plan {
  readonly seed: number
  /** of messages: how many are lost, of 1 */
  readonly drop: number
  readonly builds: 'tagged' | 'all'
  readonly onClash: 'hold' | 'prod-wins'
  readonly actions: readonly Action[]
}

/** What happens to the daemon, the bus and prod's hub, and how often. */
const TROUBLES: readonly [what: string, weight: number][] = [
  ['daemon', 24],
  ['kill', 14],
  ['stop', 2],
  ['catch-up', 3],
  ['reconcile', 2],
  ['pause', 16],
  ['deliver', 8],
  ['forge', 3],
  ['hub trouble', 4],
  ['cut database', 3],
  ['begin', 7],
  ['commit', 6],
  ['roll back', 2],
]
const DROPS = [0, 0, 0.1, 0.3, 0.6, 0.9, 1]
/** Of all actions: how many are work in prod, and in staging; the rest is trouble. */
const PROD = 0.5
const LOCAL = 0.14

export function makePlan(seed: number, length: number): Plan {
  const random = seeded(Math.imul(seed + 1, 0x9e3779b1))
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const [drop, builds, onClash] = [
    pick(DROPS),
    pick(['tagged', 'all'] as const),
    pick(['hold', 'prod-wins'] as const),
  ]
  const troubles = TROUBLES.flatMap(([what, weight]) => Array.from({ length: weight }, () => what))
  const actions = Array.from({ length }, (): Action => {
    const kind = random()
    const names = kind < PROD ? prodNames : kind < PROD + LOCAL ? localNames : troubles
    return { what: pick(names), seed: Math.floor(random() * 2 ** 31) }
  })
  return { seed, drop, builds, onClash, actions }
}
