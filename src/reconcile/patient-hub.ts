import type { Hub } from '../hub/hub.ts'
import { patiently } from './patience.ts'

/** The same hub for one who reads for hours: a short outage is waited for. Throws OutageError for a long one. */
export function patientHub(hub: Hub): Hub {
  return {
    read: (calls, options) => patiently(options.signal, () => hub.read(calls, options)),
    version: () => hub.version(),
    destroy: () => hub.destroy(),
  }
}
