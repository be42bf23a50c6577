import type { Work } from '../chaos/living.ts'
import { Mortal } from '../chaos/mortal.ts'
import { e2eWorld } from '../e2e/world.ts'
import { testDatabase } from '../support/postgres.ts'
import { isEffect } from './effects.ts'
import type { Cut, Pick } from './harness.ts'

const init: Work = async (operations, signal) => {
  await operations.init(signal)
}

/** `init` with all migrations: each time on a staging that nobody has prepared; then once more, and compared with one that was not cut off. */
export async function cutInit(pick: Pick): Promise<Cut> {
  const world = await e2eWorld({ init: false })
  const run = async (url: string, point: number | null): Promise<string[]> => {
    const effects: string[] = []
    const diesAt = (step: string): boolean => {
      if (isEffect(step)) effects.push(step)
      return point !== null && effects.length > point
    }
    const set = [`staging.database=${url}`, 'log.level=error']
    const error = await (await Mortal.start({ file: world.file, set, work: init, diesAt })).ended
    if (error !== null) throw error
    return effects
  }
  try {
    const fresh = async <T>(work: (url: string) => Promise<T>): Promise<T> => {
      const { url, drop } = await testDatabase()
      try {
        return await work(url)
      } finally {
        await drop()
      }
    }
    const { effects, wanted } = await fresh(async (url) => ({
      effects: await run(url, null),
      wanted: await made(url),
    }))
    const at = pick(effects.length)
    const complaints: string[] = []
    for (const point of at)
      await fresh(async (url) => {
        await run(url, point)
        await run(url, null)
        if ((await made(url)) !== wanted)
          complaints.push(`after a crash at ${effects[point]}: another staging`)
      })
    return { name: 'init with migrations', effects: effects.length, cuts: at.length, complaints }
  } finally {
    await world.close()
  }
}

/** Tables with their columns and rows (but for times), users, sequences; an id that was rolled back is no difference. */
async function made(url: string): Promise<string> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const rows = async (sql: string): Promise<unknown> => (await client.query(sql)).rows
    return JSON.stringify([
      await rows(
        `select table_name, column_name, data_type, column_default from information_schema.columns
          where table_schema = 'staging_sync' order by 1, ordinal_position`,
      ),
      await rows(`select indexdef from pg_indexes where schemaname = 'staging_sync' order by 1`),
      await rows(
        `select key, case key when 'user_id' then (select name from users u where u.id::text = s.value) else value end as value
           from staging_sync.setting s order by key`,
      ),
      await rows('select name, event from staging_sync.cursor order by name'),
      await rows('select name, usertype from users order by name'),
      await rows(
        `select sequencename, case sequencename when 'users_id_seq' then last_value > 1000000000 else null end as above,
                case sequencename when 'users_id_seq' then null else last_value end as last_value
           from pg_sequences where schemaname = 'public' order by 1`,
      ),
    ])
  } finally {
    await client.end()
  }
}
