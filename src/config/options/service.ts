import { z } from 'zod'
import { listenAddress, seconds } from '../field-types.ts'
import { option, type Section } from '../option.ts'

/** What the process itself tells. */
export const SERVICE = {
  http: {
    listen: option('127.0.0.1:9177', {
      type: listenAddress,
      form: 'text',
      help: 'Where `run` serves its page, /status.json, /metrics, /healthz and /readyz: host:port, a port alone (then on 127.0.0.1), or off.',
    }),
    linger_seconds: option(90, {
      type: seconds({ min: 0, max: 120 }),
      help: 'When writing has stopped for safety, `run` goes on serving for so long, so that this is scraped and seen, before it ends with status 14.',
    }),
  },
  log: {
    level: option('info', {
      type: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
      form: 'text',
      help: 'Log lines below this level are left out.',
    }),
  },
} as const satisfies Readonly<Record<string, Section>>
