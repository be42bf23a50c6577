import type { CarriedKind, LeftBehind } from '../../model/seed.ts'

/** What a carry did, for people. */
export class CarryReport {
  readonly carried: CarriedKind[] = []
  readonly left: LeftBehind[] = []

  /** Nothing is not told. */
  add(kind: string, count: number, examples: readonly string[] = []): void {
    if (count > 0) this.carried.push({ kind, count, examples })
  }

  /** `decided`: by the policy of the configuration or a person's decision; else somebody has to see to it first. */
  leave(what: string, why: string, decided: boolean): void {
    this.left.push({ what, why, decided })
  }
}
