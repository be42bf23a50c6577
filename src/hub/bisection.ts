import { KeyError, type SyncError } from '../errors.ts'
import type { Piece } from './piece.ts'

/** Failures in a row, without one success, after which it is the hub and not a call. */
const HOPELESS = 6

/**
 * The parts that a doubtful request was cut into. A part that fails alone is to blame if another one, or a harmless
 * call that was sent for comparison, succeeds; if none does, the hub is.
 */
export class Bisection {
  #open = 0
  #worked = false
  #failures = 0
  readonly #suspects: { readonly piece: Piece; readonly error: SyncError }[] = []

  /** A part was sent on its way. */
  opened(): void {
    this.#open += 1
  }

  worked(): void {
    this.#worked = true
    this.#failures = 0
  }

  failed(): void {
    this.#failures += 1
  }

  get hopeless(): boolean {
    return this.#failures >= HOPELESS
  }

  /** It failed on its own; what that means is known when all parts are back. */
  suspect(piece: Piece, error: SyncError): void {
    this.#suspects.push({ piece, error })
  }

  /** A part is back, after its own parts were opened. */
  closed(): void {
    this.#open -= 1
    if (this.#open > 0) return
    for (const { piece, error } of this.#suspects.splice(0))
      piece.reject(this.#worked ? ownError(error) : error)
  }
}

/** The same, as the call's own and no outage. */
function ownError(error: SyncError): KeyError {
  return new KeyError(error.code, `${error.message} (other calls succeed)`, {
    cause: error,
    detail: error.detail,
  })
}
