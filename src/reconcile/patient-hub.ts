import { setTimeout as delay } from 'node:timers/promises'
import { OutageError } from '../errors.ts'
import type { Hub } from '../hub/hub.ts'

/** Pauses before what a hub that was down is asked again: 7.5 seconds, a restart of its web server. */
const PAUSES_MS = [500, 1_000, 2_000, 4_000]

/** The same hub for one who reads for hours: a short outage is waited for. Throws OutageError for a long one. */
export function patientHub(hub: Hub): Hub {
  return {
    read: async (calls, options) => {
      for (const pauseMs of PAUSES_MS) {
        try {
          return await hub.read(calls, options)
        } catch (error) {
          if (!(error instanceof OutageError) || options.signal?.aborted === true) throw error
        }
        await delay(pauseMs, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(
          () => {},
        )
      }
      return hub.read(calls, options)
    },
    version: () => hub.version(),
    destroy: () => hub.destroy(),
  }
}
