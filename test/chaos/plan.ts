import { seeded } from '../e2e/gates.ts'
import { localNames } from './local-actions.ts'
import { prodNames } from './prod-actions.ts'
import { troubleNames } from './troubles.ts'

/** One thing that happens. What it hits is drawn from `seed` when it happens, from what there is then. */
export interface Action {
  /** its number in the plan of this seed, from 1 */
  readonly index: number
  readonly what: string
  readonly seed: number
}

/** How files stand: one mode for all, or each package in one of its own. */
const PLACEMENTS = ['volume', 'volume', 'farm', 'copy', 'in-place', 'mixed'] as const

/** A run: the same for the same seed and length. A shorter one is a prefix of a longer one. */
export interface Plan {
  readonly seed: number
  /** of messages: how many are lost, of 1 */
  readonly drop: number
  readonly builds: 'tagged' | 'all'
  readonly onClash: 'hold' | 'prod-wins'
  readonly placement: (typeof PLACEMENTS)[number]
  /** answers of staging's database can be lost */
  readonly thief: boolean
  /** staging is equal before it begins; else it is empty */
  readonly synced: boolean
  readonly actions: readonly Action[]
}

const DROPS = [0, 0, 0.1, 0.3, 0.6, 0.9, 1]
/** Of all actions: how many are work in prod, and in staging; the rest is trouble. */
const PROD = 0.48
const LOCAL = 0.15

export function makePlan(seed: number, length: number): Plan {
  const random = seeded(Math.imul(seed + 1, 0x9e3779b1))
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const settings = {
    drop: pick(DROPS),
    builds: pick(['tagged', 'all'] as const),
    onClash: pick(['hold', 'prod-wins'] as const),
    placement: pick(PLACEMENTS),
    thief: random() < 0.3,
    synced: random() < 0.85,
  }
  const actions = Array.from({ length }, (_, at): Action => {
    const kind = random()
    const names = kind < PROD ? prodNames : kind < PROD + LOCAL ? localNames : troubleNames
    return { index: at + 1, what: pick(names), seed: Math.floor(random() * 2 ** 31) }
  })
  return { seed, ...settings, actions }
}

/** What is drawn once for a plan, in a line. */
export function settingsOf({ drop, builds, onClash, placement, thief, synced }: Plan): string {
  const lost = `${drop * 100} % of messages lost`
  const from = synced ? 'from equality' : 'from nothing'
  return `${from}, builds ${builds}, ${onClash}, ${placement}, ${lost}${thief ? ', answers can be lost' : ''}`
}
