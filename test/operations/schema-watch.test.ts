import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Converger } from '../../src/converge/deps.ts'
import { parseKey } from '../../src/model/key.ts'
import { SchemaWatch } from '../../src/operations/schema-watch.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { convergersOf } from '../converge/convergers.ts'
import { TestSync } from '../converge/support.ts'

let sync: TestSync
let watch: SchemaWatch
let nowMs = 0
beforeAll(async () => {
  sync = await TestSync.open()
  watch = new SchemaWatch({
    ...sync,
    telemetry: {
      log: createLog({ level: 'error', form: 'json', write: () => {} }),
      metrics: new Metrics({ version: 'test', processMetrics: false }),
    },
    monotonicMs: () => nowMs,
  })
  await sync.prod.addTag('f43')
  await sync.sync(['tag/f43'])
})
afterAll(() => sync?.close())

const ddl = (text: string) => sync.local.rows(text)

/** One round of the tag's key after its settings changed in prod. */
async function round(locked: boolean): Promise<unknown> {
  await sync.clearQueue()
  await sync.prod.editTag('f43', { locked })
  const [claim] = await sync.queue.markAndClaim([{ key: parseKey('tag/1'), priority: 'live' }])
  if (claim === undefined) throw new Error('no claim')
  const converger = watch.watched(convergersOf(sync.deps())).tag as Converger
  return converger.converge(claim.key, claim, new AbortController().signal).then(
    ({ outcome }) => outcome.kind,
    (error: { code: string }) => error.code,
  )
}

it('an upgrade of Koji under us is seen when a statement fails, and the key goes on', async () => {
  expect(await round(true)).toBe('applied')
  await ddl('alter table tag_external_repos drop column arches')
  nowMs += 10_000
  expect(await round(false)).toBe('SCHEMA_CHANGED')
  expect(await round(false)).toBe('applied')
})

it('what was parked for the old schema is tried again after the change, and nothing else', async () => {
  await sync.clearQueue()
  const codes = ['SCHEMA_CANNOT_HOLD', 'DATABASE_STATEMENT', 'STORAGE_CLASH']
  for (const [i, code] of codes.entries()) {
    const [claim] = await sync.queue.markAndClaim([{ key: parseKey(`build/${i + 1}`), priority: 'live' }])
    if (claim === undefined) throw new Error('no claim')
    await sync.queue.fail(claim, { code, reason: 'test', park: true })
  }
  const parked = async () => (await sync.queue.parked({ limit: 10 })).map(({ key }) => key).sort()
  await watch.look()
  expect(await parked()).toHaveLength(3)
  await ddl('alter table build add column reason_of_new text')
  await watch.look()
  expect(sync.catalog.has('build', 'reason_of_new')).toBe(true)
  expect(await parked()).toEqual(['build/3'])
})

it('a schema that is no Koji for the moment is not taken over', async () => {
  const before = sync.catalog.fingerprint
  await ddl('alter table tag_listing rename to tag_listing_away')
  await expect(watch.look()).rejects.toMatchObject({ code: 'SCHEMA_MISSING' })
  expect(sync.catalog.fingerprint).toBe(before)
  await ddl('alter table tag_listing_away rename to tag_listing')
  await watch.look()
})

it('a failure without a change stays what it is, and the schema is not read for each', async () => {
  let reads = 0
  sync.onStep = (name) => {
    if (name === 'sql.catalog.columns') reads += 1
    return undefined
  }
  await ddl('alter table tag_config add column must_be text not null default 1')
  await watch.look()
  await ddl('alter table tag_config alter column must_be drop default')
  await watch.look()
  reads = 0
  nowMs += 10_000
  expect(await round(true)).toBe('DATABASE_STATEMENT')
  expect(await round(true)).toBe('DATABASE_STATEMENT')
  expect(reads).toBe(1)
})
