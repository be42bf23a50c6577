import pg from 'pg'
import { parsePythonJson } from './python-json.ts'
import { safeInteger } from './wire-decode.ts'
import { Double, Fault, faultCode, type Struct, type Value } from './wire-value.ts'

/** One request's view of the database: one transaction, as a hub's worker has. `version` 1.21 … 1.35, HEAD is 1.36. */
export class HubSession {
  readonly version: number
  readonly #client: pg.PoolClient

  constructor(client: pg.PoolClient, version: number) {
    this.#client = client
    this.version = version
  }

  /** Runs a statement; a database error is fault 1, as an uncaught exception of the hub is. */
  async rows(sql: string, values: unknown[] = []): Promise<Struct[]> {
    try {
      return (await this.#client.query(sql, values.map(parameter))).rows as Struct[]
    } catch (error) {
      if (error instanceof pg.DatabaseError) {
        throw new Fault(faultCode.other, `<class 'psycopg2.Error'>: ${error.message}`)
      }
      throw error
    }
  }

  /** The first row, or null. */
  async row(sql: string, values: unknown[] = []): Promise<Struct | null> {
    return (await this.rows(sql, values))[0] ?? null
  }

  /** The hub is at least of that version. */
  since(version: number): boolean {
    return this.version >= version
  }
}

/** A pool whose rows come as the values that a hub would send. */
export function hubPool(databaseUrl: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: 6,
    types: { getTypeParser: (oid) => parsers[oid] ?? asText },
  })
  pool.on('error', () => {
    // A test may stop the database; the next request notices.
  })
  pool.on('connect', (client) => {
    client.on('error', () => {})
  })
  return pool
}

function parameter(value: unknown): unknown {
  if (value instanceof Double) return value.value
  return value
}

const asText = (text: string) => text

const integer = (text: string): Value => safeInteger(BigInt(text))

/** Array elements by the parser of their type; only one-dimensional arrays occur. */
const textArray = pg.types.getTypeParser(1009 as never, 'text') as (text: string) => Value

const parsers: Record<number, (text: string) => never> = {
  16: (text: string) => text === 't',
  20: integer,
  21: integer,
  23: integer,
  700: (text: string) => new Double(Number(text)),
  701: (text: string) => new Double(Number(text)),
  114: parsePythonJson,
  3802: parsePythonJson,
  1009: textArray,
  1015: textArray,
  1114: isoformat,
  1184: isoformat,
} as never

/** Python's isoformat(' '): six digits of fraction or none, the offset with minutes. */
function isoformat(text: string): string {
  const match = /^(\S+ [\d:]+)(?:\.(\d+))?(?:([-+]\d\d)(:\d\d)?)?$/.exec(text)
  if (!match) return text
  const [, seconds, fraction, hours, minutes] = match
  return `${seconds}${fraction ? `.${fraction.padEnd(6, '0')}` : ''}${hours ? `${hours}${minutes ?? ':00'}` : ''}`
}
