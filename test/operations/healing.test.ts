import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { parseKey } from '../../src/model/key.ts'
import { healPlacements, retryHeld } from '../../src/operations/healing.ts'
import { recordClashes, resolveClashes } from '../../src/staging/clashes.ts'
import { TestSync } from '../converge/support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open()
})
beforeEach(() => sync.clearQueue())
afterAll(() => sync?.close())

/** Puts a key into the queue and parks it. */
async function park(key: string): Promise<void> {
  const [claim] = await sync.queue.markAndClaim([{ key: parseKey(key), priority: 'sweep' }])
  if (claim === undefined) throw new Error(`${key} was not claimed`)
  await sync.queue.fail(claim, { reason: 'for good', code: 'TEST', park: true })
}

const state = () =>
  sync.database.query<{ key: string; parked: boolean; generation: number }>(
    'test.state',
    'select key, parked_at is not null as parked, generation::int from staging_sync.queue order by key',
  )

it('what policy holds is looked at again, unless it is parked or the clash is over', async () => {
  const clash = { subject: 'nvr', kind: 'nvr', prod: null, local: null } as const
  for (const id of [1, 2, 3])
    await recordClashes(sync.database, `build/${id}`, [{ ...clash, decision: 'held' }])
  await recordClashes(sync.database, 'build/4', [{ ...clash, decision: 'prod-won' }])
  await resolveClashes(sync.database, 'build/3', [])
  await park('build/2')
  await retryHeld(sync)
  expect(await state()).toEqual([
    { key: 'build/1', parked: false, generation: 1 },
    { key: 'build/2', parked: true, generation: 1 },
  ])
})

it('files without rows have their builds looked at, once they are old enough, and parked ones are left alone', async () => {
  await sync.database.query(
    'test.place',
    `insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state, changed_at)
     select id, 'prod', 'bash', '5', id::text, 'DEFAULT', 'volume', state, now() - age
       from (values (1, 'intent', interval '1 hour'), (2, 'removing', interval '1 hour'), (3, 'intent', interval '1 hour'),
                    (4, 'intent', interval '1 s'), (5, 'placed', interval '1 hour')) as p(id, state, age)`,
  )
  await park('build/3')
  await healPlacements(sync)
  expect(await state()).toEqual([
    { key: 'build/1', parked: false, generation: 1 },
    { key: 'build/2', parked: false, generation: 1 },
    { key: 'build/3', parked: true, generation: 1 },
  ])
})
