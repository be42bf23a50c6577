import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { SafetyError, SyncError } from '../errors.ts'
import { endSessions, keptNameOf, listDatabases, markDatabase, newNameOf } from './databases.ts'
import { raiseAbove, readSequences, type Sequences } from './sequences-above.ts'
import type { Session } from './session.ts'

export interface SwapOptions {
  /** in another database of the server (`postgres`) */
  readonly admin: Session
  /** a second one there: it ends connections while the first one waits to rename */
  readonly helper: Session
  readonly openIn: (database: string) => Promise<Session>
  /** name of the running database */
  readonly database: string
}

export interface SwapReport {
  /** what was live is there now */
  readonly kept: string
  /** connections that were ended */
  readonly ended: number
  readonly downtimeMs: number
}

/**
 * The hub goes on taking numbers between our reading of the sequences and the rename, some thousandths of a second: by so many
 * they are raised too far.
 */
const MARGIN = 10_000

/** Puts the database that a seed made in the place of the running one. Throws SyncError SEED_NOT_READY, DATABASE_*. */
export async function swapIn(options: SwapOptions): Promise<SwapReport> {
  const { admin, database } = options
  const name = newNameOf(database)
  const found = (await listDatabases(admin, database)).find((one) => one.name === name)
  if (found?.mark?.state !== 'ready') {
    throw new SyncError(
      'SEED_NOT_READY',
      `there is no whole database ${name} to swap in: run seed --dump first`,
    )
  }
  const at = await readNow(admin)
  return exchange(options, {
    from: name,
    away: keptNameOf(database, at),
    mark: { ...found.mark, state: 'live', wasLive: false },
    at,
  })
}

/** Takes the last swap back: what it replaced is live again, what it put there may be swapped in again. Throws SEED_NOTHING_KEPT. */
export async function rollBack(options: SwapOptions): Promise<SwapReport> {
  const { admin, database } = options
  const all = await listDatabases(admin, database)
  const kept = all
    .filter(({ mark }) => mark?.state === 'kept')
    .sort((a, b) => (a.mark?.at ?? '').localeCompare(b.mark?.at ?? ''))
    .at(-1)
  if (kept === undefined) {
    throw new SyncError('SEED_NOTHING_KEPT', `no database that a swap replaced stands beside ${database}`)
  }
  const away = newNameOf(database)
  if (all.some(({ name }) => name === away)) {
    throw new SyncError('SEED_NAME_TAKEN', `${away} stands in the way of the rollback: drop or rename it`)
  }
  const at = await readNow(admin)
  return exchange(options, { from: kept.name, away, mark: { state: 'live', at }, at })
}

interface Exchange {
  readonly from: string
  readonly away: string
  readonly mark: Parameters<typeof markDatabase>[2]
  readonly at: string
}

async function exchange(options: SwapOptions, { from, away, mark, at }: Exchange): Promise<SwapReport> {
  const { admin, helper, database, openIn } = options
  const live = (await listDatabases(admin, database)).find(({ name }) => name === database)
  const sequences = await raise(openIn, { above: database, of: from })
  await endSessions(admin, from)
  const startedMs = performance.now()
  let ended = await endSessions(admin, database)
  // Whoever connects from now on waits for the lock that the first rename takes, and finds the new database.
  let renaming = true
  const ending = (async () => {
    while (renaming) {
      ended += await endSessions(helper, database)
      await delay(20)
    }
  })()
  try {
    await admin.transaction('seed.swap', async () => {
      const rename = (one: string, to: string): Promise<unknown> =>
        admin.query(
          'seed.rename',
          `alter database ${pg.escapeIdentifier(one)} rename to ${pg.escapeIdentifier(to)}`,
        )
      await rename(database, away)
      renaming = false
      await rename(from, database)
      await markDatabase(admin, database, mark)
      // What goes away by a rollback was seeded, and may be swapped in again; else it is what was there before.
      const back = away === newNameOf(database)
      await markDatabase(
        admin,
        away,
        back ? { ...live?.mark, state: 'ready', at, wasLive: true } : { ...live?.mark, state: 'kept', at },
      )
    })
  } finally {
    renaming = false
    await ending.catch(() => {})
  }
  const downtimeMs = performance.now() - startedMs
  await refuseOvertaken(openIn, { kept: away, live: database, sequences })
  return { kept: away, ended, downtimeMs }
}

/** The sequences of one database above those of another, read as late as can be. Returns where they stand. */
async function raise(
  openIn: SwapOptions['openIn'],
  { above, of }: { above: string; of: string },
): Promise<Sequences> {
  const lower = await openIn(above)
  const upper = await openIn(of)
  try {
    await raiseAbove(upper, await readSequences(lower), MARGIN)
    return await readSequences(upper)
  } finally {
    await lower.close()
    await upper.close()
  }
}

/** After the rename: nobody took more numbers than the margin. Throws SafetyError SEED_SEQUENCE_OVERTAKEN. */
async function refuseOvertaken(
  openIn: SwapOptions['openIn'],
  { kept, live, sequences }: { kept: string; live: string; sequences: Sequences },
): Promise<void> {
  const session = await openIn(kept)
  const last = await readSequences(session).finally(() => session.close())
  const over = [...last].filter(([name, value]) => value > (sequences.get(name) ?? Number.POSITIVE_INFINITY))
  if (over.length === 0) return
  const upper = await openIn(live)
  await raiseAbove(upper, last, MARGIN).finally(() => upper.close())
  const names = over.map(([name]) => name).join(', ')
  throw new SafetyError(
    'SEED_SEQUENCE_OVERTAKEN',
    `ids of ${names} may have been given twice during the swap; raised now`,
  )
}

async function readNow(admin: Session): Promise<string> {
  const [row] = await admin.query<{ now: string }>(
    'seed.now',
    `select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as now`,
  )
  return (row as { now: string }).now
}
