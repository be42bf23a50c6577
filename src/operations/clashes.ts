import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { resolveLookup } from '../converge/lookup.ts'
import { SyncError } from '../errors.ts'
import { formatKey, type Key, parseKey } from '../model/key.ts'
import type { Decided } from '../model/operations.ts'
import type { ClashesReport, ShownAudit, ShownDecision, ShownParked } from '../model/status.ts'
import { readParked } from '../queue/reading.ts'
import { listAudit } from '../staging/audit.ts'
import { listDaemons } from '../staging/daemons.ts'
import { type Actor, decide, recordAudit } from '../staging/decisions.ts'
import { readKeyNames } from '../staging/key-names.ts'
import { personDecided } from '../telemetry/events.ts'
import { FOLLOW_MS } from './decisions.ts'
import { requirePrepared } from './prepared.ts'
import { clashesReport, parkedReport } from './shown.ts'
import type { World } from './world.ts'

const MAX_CLASHES = 1000
const MAX_PARKED = 100_000

/** The clashes that stand, with what people decided; from staging's database alone. */
export async function readClashes(world: World, key: Key | null): Promise<ClashesReport> {
  const database = await requirePrepared(world)
  const only = key === null ? null : formatKey(await resolved(world, key))
  return clashesReport(database, { limit: MAX_CLASHES, ...(only === null ? {} : { key: only }) })
}

/** Decides for a key that has a clash (or was decided on before), with its line of audit, and marks it when daemons know. */
export async function resolveClash(
  world: World,
  typed: Key,
  policy: ShownDecision['policy'] | 'config',
  user: string,
): Promise<Decided> {
  await requirePrepared(world)
  const key = await resolved(world, typed)
  const text = formatKey(key)
  const { database, queue } = await world.engine()
  const by: Actor = { user, host: hostname() }
  await database.transaction('clashes.resolve-by-hand', async (tx) => {
    const [known] = await tx.query<{ known: boolean }>(
      'clashes.known',
      `select exists (select 1 from staging_sync.clash where key = $1 and resolved_at is null)
           or exists (select 1 from staging_sync.decision where key = $1) as known`,
      [text],
    )
    if (known?.known !== true) throw new SyncError('CLASH_UNKNOWN', `${text} has no clash that stands`)
    await decide(tx, text, policy === 'config' ? null : policy, by)
  })
  personDecided(world.telemetry, { what: 'clashes resolve', key: text, detail: policy, by: user })
  const daemons = (await listDaemons(database)).length > 0
  // When this returns the decision counts: no daemon settles the key as before any more.
  if (daemons) await delay(2 * FOLLOW_MS)
  await queue.mark([{ key, priority: 'live' }])
  return { keys: [text], daemons }
}

/** What people did by hand; from staging's database alone. */
export async function readAudit(
  world: World,
  key: Key | null,
  limit: number,
): Promise<readonly ShownAudit[]> {
  const database = await requirePrepared(world)
  const subject = key === null ? null : formatKey(await resolved(world, key))
  const lines = await listAudit(database, { subject, limit })
  const names = await readKeyNames(
    database,
    lines.map((line) => line.subject),
  )
  return lines.map((line) => ({ ...line, name: names.get(line.subject) ?? null }))
}

export async function listParked(world: World, limit: number): Promise<readonly ShownParked[]> {
  return parkedReport(await requirePrepared(world), limit)
}

/** Marks parked keys (null: all), with their lines of audit: a mark starts a parked key anew. */
export async function retryParked(
  world: World,
  typed: readonly Key[] | null,
  user: string,
): Promise<Decided> {
  const database = await requirePrepared(world)
  const parked = new Set((await readParked(database, MAX_PARKED)).map(({ key }) => key))
  const keys: string[] = []
  for (const key of typed ?? []) {
    // What is parked may be the name itself, which prod does not know.
    const text = parked.has(formatKey(key)) ? formatKey(key) : formatKey(await resolved(world, key))
    if (!parked.has(text)) throw new SyncError('PARKED_UNKNOWN', `${text} is not parked`)
    keys.push(text)
  }
  const chosen = typed === null ? [...parked] : [...new Set(keys)]
  const { queue } = await world.engine()
  const by: Actor = { user, host: hostname() }
  if (chosen.length > 0) {
    await database.transaction('parked.retry', async (tx) => {
      const lines = chosen.map((subject) => ({ what: 'parked retry', subject, detail: '' }))
      await recordAudit(tx, by, lines)
      await queue.markIn(
        tx,
        chosen.map((key) => ({ key: parseKey(key), priority: 'sweep' })),
      )
    })
    const detail = `${chosen.length} keys`
    personDecided(world.telemetry, { what: 'parked retry', key: chosen[0] ?? '', detail, by: user })
  }
  return { keys: chosen, daemons: (await listDaemons(database)).length > 0 }
}

/** A name as the key that prod's hub says it is. Throws SyncError LOOKUP_UNKNOWN. */
async function resolved(world: World, key: Key): Promise<Key> {
  if (key.kind !== 'lookup') return key
  const { deps } = await world.engine()
  const found = await resolveLookup(deps, key, { priority: 'live' })
  const [first] = found.kind === 'keys' ? found.keys : []
  if (first === undefined || found.kind !== 'keys') {
    throw new SyncError('LOOKUP_UNKNOWN', found.kind === 'keys' ? 'prod has no such thing' : found.reason)
  }
  return first
}
