import type { Expectation } from '../model/outcome.ts'
import type { TaggedLook } from './tagged-look.ts'
import type { TaggedInProd } from './tagged-read.ts'

/** A look is used for no longer: of a hub that answers late, staging is read again. */
const FRESH_MS = 100

/**
 * Staging's side of a key, looked at while prod still answers: that look is then not waited for. It asks about the builds that
 * the message names and learns of those in the listing; when prod shows others, or answers late, it is dropped.
 */
export class LookAhead {
  readonly #look: Promise<TaggedLook | null>
  readonly #takenMs = performance.now()
  constructor(look: (buildIds: readonly number[]) => Promise<TaggedLook>, expect: readonly Expectation[]) {
    // What is wrong with the database is told by the transaction.
    this.#look = look(namedIn(expect)).catch(() => null)
  }

  /** null: it does not serve for what prod shows. */
  async for({ rows }: TaggedInProd): Promise<TaggedLook | null> {
    if (performance.now() - this.#takenMs > FRESH_MS) return null
    const look = await this.#look
    return look !== null && rows.every(({ buildId }) => look.covers(buildId)) ? look : null
  }
}

/** Prod's builds that claims like `build:101` are of. */
function namedIn(expect: readonly Expectation[]): number[] {
  return expect.flatMap(({ subject }) => {
    const [, id] = /^build:(\d+)$/.exec(subject) ?? []
    return id === undefined ? [] : [Number(id)]
  })
}
