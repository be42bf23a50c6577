import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { exitCodeOf, OutageError } from '../../src/errors.ts'
import { parseKey } from '../../src/model/key.ts'
import type { CatchUpNews, SyncedKey } from '../../src/model/operations.ts'
import { refuseOutage } from '../../src/operations/outage.ts'
import { Breaker } from '../../src/queue/breaker.ts'
import { openHere } from '../e2e/daemon.ts'
import { type ReconcileWorld, reconcileWorld } from '../reconcile/world.ts'

let world: ReconcileWorld
let lost: string
let listing: string

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  for (const name of ['bash', 'lost']) {
    await prod.addPackage('f43', name)
    const made = await prod.importBuild({ name, version: '5', release: '1', rpms: [{ arch: 'src' }] })
    await prod.tagBuild('f43', made.id)
    lost = `build/${made.id}`
  }
  const [row] = await prod.rows(
    `select t.id as tag, p.id as package from tag_config c join tag t on t.id = c.tag_id, package p where t.name = 'f43' and p.name = 'lost'`,
  )
  listing = `tagged/${row?.tag}/${row?.package}`
  // Its files are not in the mount.
  await rm(join(world.root, 'prod', 'packages', 'lost'), { recursive: true })
}, 60_000)
afterAll(() => world?.close())

it('a reconcile by hand makes the rest equal, names what fails for itself, and does not wait through its backoff', async () => {
  const { report } = await world.reconcile()
  expect(report).toMatchObject({ parkedKeys: 0, heldKeys: 0, failingKeys: 2 })
  expect(report.failures).toEqual([
    { key: lost, parked: false, code: 'STORAGE_SOURCE_MISSING', reason: expect.stringContaining('lost') },
  ])
  const queued = await world.sql('select key from staging_sync.queue order by key')
  expect(queued.map(({ key }) => key)).toEqual([lost, listing].sort())
})

it('sync ends with the reason of a key that fails again and again, and of one that waits for it', async () => {
  const here = await openHere({ file: world.file })
  const ends: SyncedKey[] = []
  const keys = [parseKey(lost), parseKey(listing)]
  try {
    for await (const end of here.operations.sync(keys, new AbortController().signal)) ends.push(end)
  } finally {
    await here.operations.destroy()
  }
  const reasons = Object.fromEntries(ends.map(({ key, outcome, reason }) => [key.kind, { outcome, reason }]))
  expect(reasons).toEqual({
    build: {
      outcome: 'failed',
      reason: expect.stringMatching(/^STORAGE_SOURCE_MISSING: .*it will be tried again$/),
    },
    tagged: {
      outcome: 'waiting',
      reason: expect.stringContaining(`waits for ${lost} (STORAGE_SOURCE_MISSING`),
    },
  })
})

it('a catch-up by hand goes on after an answer that does not come', async () => {
  await world.prod.setExtra('f43', 'mock.new_chroot', 0)
  const here = await openHere({ file: world.file, set: ['prod.timeout_seconds=2'] })
  const news: CatchUpNews[] = []
  world.prodHub.knobs.failNext('silent', 1)
  try {
    for await (const one of here.operations.catchUp({}, new AbortController().signal)) news.push(one)
  } finally {
    await here.operations.destroy()
  }
  expect(news.at(-1)).toMatchObject({ kind: 'end', report: { failingKeys: expect.any(Number) } })
  const extra = await world.sql(`select 1 from tag_extra where key = 'mock.new_chroot' and active`)
  expect(extra).toHaveLength(1)
})

it('a part that is slow is waited for longer than one that is down, and not for ever', () => {
  let nowMs = 0
  const clock = { nowMs: () => nowMs, sleep: async () => {} }
  const opened = (code: string): Breaker => {
    nowMs = 0
    const breaker = new Breaker({ part: 'hub', clock, random: () => 0.5 })
    breaker.report(new OutageError('hub', code, 'no answer'))
    return breaker
  }
  const codeAt = (breaker: Breaker, atMs: number): number | null => {
    nowMs = atMs
    try {
      refuseOutage({ breakers: [breaker] })
    } catch (error) {
      return exitCodeOf(error)
    }
    return null
  }
  const down = opened('HUB_UNREACHABLE')
  expect([codeAt(down, 14_000), codeAt(down, 16_000)]).toEqual([null, 11])
  const slow = opened('HUB_TIMEOUT')
  expect([codeAt(slow, 16_000), codeAt(slow, 299_000), codeAt(slow, 301_000)]).toEqual([null, null, 11])
})
