import { randomUUID } from 'node:crypto'
import type { TimeOfDay } from '../config/config.ts'
import type { Sql } from '../staging/database.ts'

/** Who took a task and was not seen for longer was cut off, seconds; and how often one is seen. */
const GONE_SECONDS = 60
const KEEP_MS = 15_000

export interface DailyTaskOptions {
  readonly database: Sql
  /** its name in `staging_sync.schedule` */
  readonly task: string
  /** on the clock of this host's zone; which day it is, the database's clock says */
  readonly at: TimeOfDay
  /** begins up to so much later, at random */
  readonly jitterMs: number
  readonly random: () => number
}

/**
 * Something that one of the daemons does once a day. What was done last is kept in the database, so that a time that passed
 * while no daemon ran is made up as soon as one does, and two of them do not both do it. Where it was never done, it is
 * due the next day.
 */
export class DailyTask {
  readonly #options: DailyTaskOptions
  readonly #holder = randomUUID()
  #jitterMs: number

  constructor(options: DailyTaskOptions) {
    this.#options = options
    this.#jitterMs = options.random() * options.jitterMs
  }

  /** Does it if it is due and nobody else does; says whether. One that failed (or was cut off) is due again. */
  async run(work: () => Promise<void>): Promise<boolean> {
    if (!(await this.#take())) return false
    const { database, task } = this.#options
    const timer = setInterval(() => void this.#keep().catch(() => {}), KEEP_MS)
    let done = false
    try {
      await work()
      done = true
    } finally {
      clearInterval(timer)
      this.#jitterMs = this.#options.random() * this.#options.jitterMs
      await database
        .query(
          'schedule.end',
          `update staging_sync.schedule set holder = null, done = case when $3 then taken else done end
            where task = $1 and holder = $2`,
          [task, this.#holder, done],
        )
        // Nobody who holds it is seen any more: it is taken again.
        .catch(() => {})
    }
    return true
  }

  async #take(): Promise<boolean> {
    const { database, task, at } = this.#options
    const [known] = await database.query<{ nowMs: number; doneMs: number | null }>(
      'schedule.read',
      `select extract(epoch from clock_timestamp())::double precision * 1000 as "nowMs",
              (select extract(epoch from done)::double precision * 1000 from staging_sync.schedule where task = $1) as "doneMs"`,
      [task],
    )
    if (known === undefined) return false
    if (known.doneMs === null) {
      await noteDone(database, task)
      return false
    }
    const dueMs = lastDueMs(known.nowMs - this.#jitterMs, at)
    if (known.doneMs >= dueMs) return false
    const taken = await database.query(
      'schedule.take',
      `update staging_sync.schedule set holder = $2, taken = clock_timestamp(), seen = clock_timestamp()
        where task = $1 and done < to_timestamp($3::double precision / 1000)
          and (holder is null or holder = $2 or seen < clock_timestamp() - interval '${GONE_SECONDS} seconds')
       returning 1`,
      [task, this.#holder, dueMs],
    )
    return taken.length > 0
  }

  async #keep(): Promise<void> {
    const { database, task } = this.#options
    await database.query(
      'schedule.keep',
      'update staging_sync.schedule set seen = clock_timestamp() where task = $1 and holder = $2',
      [task, this.#holder],
    )
  }
}

/** Notes that a task was done now, by whomever: it is not due before the next day. */
export async function noteDone(sql: Sql, task: string): Promise<void> {
  await sql.query(
    'schedule.note-done',
    `insert into staging_sync.schedule (task, done) values ($1, clock_timestamp())
     on conflict (task) do update set done = greatest(schedule.done, excluded.done)`,
    [task],
  )
}

/** The last time before `nowMs` at which the clock of this host's zone showed that time of day, milliseconds since 1970. */
export function lastDueMs(nowMs: number, { hour, minute }: TimeOfDay): number {
  const due = new Date(nowMs)
  due.setHours(hour, minute, 0, 0)
  if (due.getTime() > nowMs) {
    due.setDate(due.getDate() - 1)
    // The day before may have no such hour, or have it elsewhere.
    due.setHours(hour, minute, 0, 0)
  }
  return due.getTime()
}
