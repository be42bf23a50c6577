import { setTimeout as delay } from 'node:timers/promises'
import { OutageError } from '../errors.ts'

/** Pauses before what was down is asked again: 7.5 seconds, a restart of its web server. An answer that is too slow takes longer by itself. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000]

/**
 * Work that a short outage does not end: it is begun again after a pause, a few times, and anew when it `progressed` meanwhile. Throws
 * OutageError for a long one.
 */
export async function patiently<T>(
  signal: AbortSignal | undefined,
  work: (progressed: () => void) => Promise<T>,
): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await work(() => {
        tries = 0
      })
    } catch (error) {
      const pauseMs = PAUSES_MS[tries]
      if (!(error instanceof OutageError) || signal?.aborted === true || pauseMs === undefined) throw error
      await delay(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {})
    }
  }
}
