import { OutageError } from '../errors.ts'
import type { Engine } from './world.ts'

/** A part that is down for so long ends a command. */
const DOWN_MS = 15_000
/** A part that is there and slow gets more: one try of it takes a minute by itself. */
const SLOW_MS = 300_000
const SLOW: ReadonlySet<string> = new Set(['HUB_TIMEOUT'])

/** A person waits: an outage that lasts ends the command, with the exit code of the part. The keys stay marked. */
export function refuseOutage({ breakers }: Pick<Engine, 'breakers'>): void {
  for (const breaker of breakers) {
    const { openForMs, part, lastCode } = breaker.state()
    const code = lastCode ?? 'OUTAGE'
    if (openForMs <= (SLOW.has(code) ? SLOW_MS : DOWN_MS)) continue
    throw new OutageError(part, code, `${part} is down for ${Math.round(openForMs / 1000)} seconds`)
  }
}
