import pg from 'pg'
import type { DatabaseOptions } from './database.ts'

// int8 as a number where exact, else bigint; timestamps and json as the text that the server sends (microseconds stay).
const types: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pg.types.builtins.INT8) {
      return (text: string) => {
        const n = Number(text)
        return Number.isSafeInteger(n) ? n : BigInt(text)
      }
    }
    const asText: number[] = [
      pg.types.builtins.TIMESTAMP,
      pg.types.builtins.TIMESTAMPTZ,
      pg.types.builtins.DATE,
      pg.types.builtins.JSON,
      pg.types.builtins.JSONB,
    ]
    if (asText.includes(oid)) return (text: string) => text
    return pg.types.getTypeParser(oid as never, (format ?? 'text') as never)
  },
} as pg.CustomTypesConfig

/** What every connection of ours is made with. */
export function clientConfig(options: DatabaseOptions): pg.ClientConfig {
  return {
    connectionString: addressOf(options),
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    // Statements of a transaction go without waiting for the answers to those before.
    pipeline: true,
    types,
  }
}

/** A peer that vanished without a word is noticed by this, not by the two hours of the system's own. */
const KEEP_ALIVE_MS = 10_000

/** Above every statement_timeout: no answer for so long means that nobody is there. */
const ANSWER_TIMEOUT_MS = 150_000

/**
 * Prepared statements find their rows by index whatever the parameters are, so their plans are made once: planning the larger ones
 * costs more than running them. A plan that was made while a table was small must not scan it when it is large, so scans
 * are not taken where an index leads to the rows. No statement of ours is worth compiling.
 */
const PLANNING = '-c jit=off -c plan_cache_mode=force_generic_plan -c enable_seqscan=off'

const SESSION = `-c TimeZone=UTC -c DateStyle=ISO ${PLANNING}`

/**
 * The address with what pg would let it win over: `password` (its empty one), and `options` (ours come last, since the
 * session's time zone must be UTC whatever else the address sets).
 */
function addressOf({ url, password }: DatabaseOptions): string {
  const [base = '', query = ''] = url.split('?', 2)
  const parameters = new URLSearchParams(query)
  const given = parameters.get('options')
  parameters.set('options', given === null ? SESSION : `${given} ${SESSION}`)
  if (password !== undefined) parameters.set('password', password)
  return `${base}?${parameters.toString().replaceAll('+', '%20')}`
}
