import { afterAll, beforeAll, expect, it } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from './command.ts'

let world: E2eWorld
beforeAll(async () => {
  world = await e2eWorld({ init: false })
})
afterAll(() => world?.close())

const settings = () =>
  world.sql(`select key, value from staging_sync.setting where key in ('seed_event', 'id_floor', 'user_id')
    union all select name, event::text from staging_sync.cursor order by 1`)

it('a second init that finds no shared event keeps what the first one recorded', async () => {
  // Staging is a copy: the same events at the same times.
  const events = await world.prod.rows('select id, time::text as time from events order by id')
  for (const { id, time } of events) {
    await world.sql('insert into events (id, time) values ($1, $2::timestamptz)', [id, time])
  }
  await world.sql(`select setval('events_id_seq', (select max(id) from events))`)
  expect(await command('init', '--config', world.file, ...world.asOwner)).toMatchObject({
    code: 0,
    stderr: '',
  })
  const first = await settings()
  expect(first).toContainEqual({ key: 'seed_event', value: String(events.at(-1)?.id) })
  // As if the first one had been cut off, on a staging whose old events were cleaned up since.
  await world.sql(`delete from staging_sync.setting where key = 'init_event'`)
  await world.sql(`update events set time = time - interval '1 hour'`)
  expect(await command('init', '--config', world.file, ...world.asOwner)).toMatchObject({
    code: 0,
    stderr: '',
  })
  expect(await settings()).toEqual(first)
})
