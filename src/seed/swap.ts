import { SafetyError, SyncError } from '../errors.ts'
import { Catalog } from '../staging/catalog.ts'
import { keptNameOf, listDatabases, markDatabase, newNameOf } from './databases.ts'
import { exchangeNames, freeze } from './freeze.ts'
import { raiseAbove, readSequences, type Sequences } from './sequences-above.ts'
import type { Session } from './session.ts'
import { endSessions } from './sessions.ts'

export interface SwapOptions {
  /** in another database of the server (`postgres`) */
  readonly admin: Session
  /** a second one there: it ends connections while the first one waits to rename */
  readonly helper: Session
  readonly openIn: (database: string) => Promise<Session>
  /** in the running database, and in the one that `findNext` named; both end with the swap */
  readonly running: Session
  readonly next: Session
  /** name of the running database */
  readonly database: string
  /** Makes in `next`, in its transaction, what staging made itself; `running` stands still. What it throws takes everything back. */
  readonly carry: () => Promise<void>
}

export interface SwapReport {
  /** what was live is there now */
  readonly kept: string
  /** connections that were ended */
  readonly ended: number
  /** nobody could write for so long; reading went on for most of it */
  readonly downtimeMs: number
}

/** Whoever was stopped in the middle of something may have taken numbers for it: by so many they are raised too far. */
const MARGIN = 10_000

/** The database that would be swapped in. Throws SyncError SEED_NOT_READY, SEED_NOTHING_KEPT, SEED_NAME_TAKEN. */
export async function findNext(admin: Session, database: string, isRollback: boolean): Promise<string> {
  const all = await listDatabases(admin, database)
  const name = newNameOf(database)
  if (!isRollback) {
    if (all.find((one) => one.name === name)?.mark?.state === 'ready') return name
    throw new SyncError(
      'SEED_NOT_READY',
      `there is no whole database ${name} to swap in: run seed --dump first`,
    )
  }
  const kept = all
    .filter(({ mark }) => mark?.state === 'kept')
    .sort((a, b) => (a.mark?.at ?? '').localeCompare(b.mark?.at ?? ''))
    .at(-1)
  if (kept === undefined) {
    throw new SyncError('SEED_NOTHING_KEPT', `no database that a swap replaced stands beside ${database}`)
  }
  if (all.some((one) => one.name === name)) {
    throw new SyncError('SEED_NAME_TAKEN', `${name} stands in the way of the rollback: drop or rename it`)
  }
  return kept.name
}

/** Puts the database that a seed made in the place of the running one. Throws SyncError SEED_NOT_READY, DATABASE_*, what `carry` throws. */
export async function swapIn(options: SwapOptions): Promise<SwapReport> {
  const { admin, database } = options
  const name = await findNext(admin, database, false)
  const found = (await listDatabases(admin, database)).find((one) => one.name === name)
  const at = await readNow(admin)
  return exchange(options, {
    from: name,
    away: keptNameOf(database, at),
    mark: { ...found?.mark, state: 'live', wasLive: false },
    at,
  })
}

/** Takes the last swap back: what it replaced is live again, what it put there may be swapped in again. Throws SEED_NOTHING_KEPT. */
export async function rollBack(options: SwapOptions): Promise<SwapReport> {
  const { admin, database } = options
  const from = await findNext(admin, database, true)
  const at = await readNow(admin)
  return exchange(options, { from, away: newNameOf(database), mark: { state: 'live', at }, at })
}

interface Exchange {
  readonly from: string
  readonly away: string
  readonly mark: Parameters<typeof markDatabase>[2]
  readonly at: string
}

async function exchange(options: SwapOptions, { from, away, mark, at }: Exchange): Promise<SwapReport> {
  const { admin, helper, database, openIn, running, next, carry } = options
  const live = (await listDatabases(admin, database)).find(({ name }) => name === database)
  const catalog = await Catalog.read(next)
  const startedMs = performance.now()
  let ended = await freeze(running, helper, database)
  const sequences = await raiseAbove(next, await readSequences(running), MARGIN, catalog)
  await next.transaction('seed.carry', carry)
  await next.close()
  await endSessions(helper, from)
  ended += await exchangeNames(
    { admin, helper, still: running },
    { live: database, from, away },
    async () => {
      await markDatabase(admin, database, mark)
      // What goes away by a rollback was seeded, and may be swapped in again; else it is what was there before.
      const back = away === newNameOf(database)
      await markDatabase(
        admin,
        away,
        back ? { ...live?.mark, state: 'ready', at, wasLive: true } : { ...live?.mark, state: 'kept', at },
      )
    },
  )
  const downtimeMs = performance.now() - startedMs
  await refuseOvertaken(openIn, { kept: away, live: database, sequences })
  return { kept: away, ended, downtimeMs }
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
