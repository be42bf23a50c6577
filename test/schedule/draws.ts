import { seeded } from '../e2e/gates.ts'

/** What is drawn: each as often as its number says, of what there is. */
const WEIGHTS = { step: 80, act: 6, deliver: 10, wake: 1, time: 3 } as const
export type Kind = keyof typeof WEIGHTS

/** All that is left to chance in a schedule, by its seed. */
export class Draws {
  readonly random: () => number
  /** so many kinds were drawn until now */
  made = 0

  constructor(seed: number) {
    this.random = seeded(Math.imul(seed + 1, 0x9e3779b1))
  }

  kind(there: Readonly<Record<Kind, boolean>>): Kind {
    this.made += 1
    const kinds = (Object.keys(WEIGHTS) as Kind[]).filter((kind) => there[kind])
    let left = this.random() * kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0)
    for (const kind of kinds) {
      left -= WEIGHTS[kind]
      if (left < 0) return kind
    }
    return 'time'
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T
  }

  take<T>(items: T[]): T {
    return items.splice(Math.floor(this.random() * items.length), 1)[0] as T
  }
}
