import { once } from 'node:events'

/** A seed puts another database in the place of staging's now and then, not every moment. */
const MAX_TIMES = 1_000

/**
 * Runs the daemon, and again with everything made anew (`renew`) each time that another database was put in the place of staging's
 * (`isReplaced`): it then catches up from where that one stands. Throws what else ends the daemon.
 */
export async function runFollowing(
  run: () => Promise<void>,
  isReplaced: () => boolean,
  renew: () => Promise<void>,
): Promise<void> {
  for (let times = 1; ; times += 1) {
    try {
      return await run()
    } catch (error) {
      if (!isReplaced() || times >= MAX_TIMES) throw error
      await renew()
    }
  }
}

/** Throws when `replaced` aborts; returns when `signal` does. */
export async function untilReplaced(replaced: AbortSignal, signal: AbortSignal): Promise<void> {
  if (!replaced.aborted && !signal.aborted) {
    const over = new AbortController()
    await Promise.race([
      once(replaced, 'abort', { signal: over.signal }),
      once(signal, 'abort', { signal: over.signal }),
    ]).finally(() => over.abort())
  }
  if (replaced.aborted) throw replaced.reason
}
