import { AgainError, asError, FenceError, OutageError, SafetyError, StopError, SyncError } from '../errors.ts'
import { formatKey } from '../model/key.ts'
import type { Claim, Queue } from '../queue/queue.ts'
import { claimLost, converged, keyFailed, keyReturned, type Telemetry } from '../telemetry/events.ts'
import type { ClaimEnds } from './claim-ends.ts'
import { PARK_AT_ONCE, Races } from './endings.ts'

export interface FailuresOptions {
  readonly queue: Queue
  readonly telemetry: Telemetry
  readonly ends: ClaimEnds
  /** what fails after this was told to stop */
  readonly stop: AbortSignal
  readonly random: () => number
}

/** What follows an error that a key met, by its class (the table of `errors.ts`). */
export class Failures {
  readonly #options: FailuresOptions
  readonly #races: Races
  constructor(options: FailuresOptions) {
    this.#options = options
    this.#races = new Races(options.random)
  }

  /** The key met none. */
  won({ key }: Claim): void {
    this.#races.won(formatKey(key))
  }

  /** Throws SafetyError: the claim is given back with all others, once nothing more is begun. */
  async met(claim: Claim, thrown: unknown, elapsedMs: number): Promise<void> {
    const { queue, telemetry, ends, stop } = this.#options
    const error = asError(thrown)
    if (error instanceof FenceError) {
      claimLost(telemetry, claim.key)
      return
    }
    if (error instanceof OutageError) {
      if (error.part === 'database') ends.answerLost()
      keyReturned(telemetry, claim.key, error)
      await ends.giveBack(claim, 500)
      return
    }
    if (error instanceof AgainError) {
      const delayMs = this.#races.lost(formatKey(claim.key))
      if (delayMs !== null) {
        const outcome = { kind: 'again', reason: `${error.code}: ${error.message}` } as const
        converged(telemetry, claim.key, { outcome, elapsedMs, lagMs: null })
        await ends.giveBack(claim, delayMs)
        return
      }
    }
    if (error instanceof SafetyError) throw error
    if (error instanceof StopError || stop.aborted) {
      await ends.giveBack(claim, 0)
      return
    }
    const code = error instanceof SyncError ? error.code : 'INTERNAL'
    const park = PARK_AT_ONCE.has(code)
    let parked = park
    await ends.orLater(claim, async () => {
      parked = await queue.fail(claim, { reason: error.message, code, park })
    })
    keyFailed(telemetry, claim.key, { error, attempts: claim.attempts + 1, parked })
  }
}
