import type { CarriedKind, LeftBehind } from '../../model/seed.ts'

/** What a carry did, for people. */
export class CarryReport {
  readonly carried: CarriedKind[] = []
  readonly left: LeftBehind[] = []

  /** Nothing is not told. */
  add(kind: string, count: number, examples: readonly string[] = []): void {
    if (count > 0) this.carried.push({ kind, count, examples })
  }

  /** By the policy of the configuration, or a person's decision. */
  leave(what: string, why: string): void {
    this.left.push({ what, why, decided: true, keys: [] })
  }

  /** Somebody has to see to it first, or to say with one of these keys that it may be left. */
  cannot(what: string, why: string, ...keys: readonly [string, ...string[]]): void {
    this.left.push({ what, why, decided: false, keys })
  }
}
