import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { unmetOf } from '../../src/converge/build/expected.ts'
import type { Expectation, Mark } from '../../src/model/outcome.ts'
import { expectSame } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync.close())
beforeEach(() => {
  sync.priority = 'sweep'
})

const KEY = 'cafe0001'
let made = 0

/** A build with three rpms that staging has. */
async function synced(): Promise<{ id: number; nvr: string; rpms: number[] }> {
  made += 1
  const name = `signed${made}`
  const arches = ['src', 'x86_64', 'noarch']
  const { id, rpms } = await sync.prod.importBuild({
    name,
    version: '1',
    release: '1',
    rpms: arches.map((arch) => ({ arch, name: arch === 'noarch' ? `${name}-doc` : name })),
  })
  await sync.one(`build/${id}`)
  return { id, nvr: `${name}-1-1`, rpms }
}

const signature = (nvra: string, key = KEY): Expectation => ({
  subject: `sig:${nvra}:${key}`,
  claim: 'present',
})

/** What messages of signatures mark; and how it ended. */
async function told(id: number, expected: readonly Expectation[], mark: Partial<Mark> = {}): Promise<string> {
  await sync.queue.mark([
    { key: { kind: 'build', buildId: id }, priority: 'live', expect: expected, onlyExpected: true, ...mark },
  ])
  sync.hub.knobs.clear()
  return (await sync.drain()).get(`build/${id}`)?.kind ?? 'none'
}

const readWhole = (): boolean => sync.hub.knobs.calls.some(({ method }) => method === 'listRPMs')

it('a signature is read and applied without the rest of its build', async () => {
  const { id, nvr, rpms } = await synced()
  const { prod, local, hub } = sync
  await prod.addTag(`t${id}`)
  await prod.addPackage(`t${id}`, nvr.split('-')[0] as string)
  await prod.tagBuild(`t${id}`, nvr)
  await sync.sync([`tag/t${id}`])
  await prod.signRpm(rpms[1] as number, KEY, { checksums: true })
  await prod.signRpm(rpms[2] as number, KEY, { checksums: true })
  const updates = async (): Promise<number> => (await local.rows('select 1 from tag_updates')).length
  const before = await updates()
  expect(await told(id, [signature(`${nvr}.x86_64`)])).toBe('applied')
  expect(readWhole()).toBe(false)
  expect(hub.knobs.calls.filter(({ method }) => method === 'queryRPMSigs')).toHaveLength(1)
  // Its tags' repos are out of date.
  expect(await updates()).toBe(before + 1)
  expect(
    await local.rows('select 1 from rpmsigs where sigkey = $2 and rpm_id = any($1::int[])', [
      rpms.slice(2),
      KEY,
    ]),
  ).toEqual([])
  // The other one is found by its own message: by a key that is known now it is added by one call, and its checksums come with
  // the second look. Equal then, so nothing is written.
  expect(await told(id, [signature(`${nvr.replace('-', '-doc-')}.noarch`)])).toBe('applied')
  expect(hub.knobs.calls[0]?.method).toBe('queryRPMSigs')
  await sync.database.query('test.due', 'update staging_sync.queue set due_at = now()')
  await sync.drain()
  expect(await updates()).toBe(before + 3)
  await expectSame(sync, nvr)
  const written = await sync.fingerprint()
  expect(await told(id, [signature(`${nvr}.x86_64`)])).toBe('unchanged')
  expect(await sync.fingerprint()).toEqual(written)
  expect(await sync.queued()).toEqual([])
})

it('its checksums are looked for again, in the same short way, until prod has cached them', async () => {
  const { id, nvr, rpms } = await synced()
  await sync.prod.signRpm(rpms[1] as number, KEY)
  await told(id, [signature(`${nvr}.x86_64`)])
  const [row] = await sync.database.query<{ only: boolean }>(
    'test.only',
    `select only_expected as only from staging_sync.queue where key = 'build/${id}'`,
  )
  expect(row).toEqual({ only: true })
  await sync.prod.rows(
    `insert into rpm_checksum (rpm_id, sigkey, checksum_type, checksum) values ($1, $2, 2, $3)`,
    [rpms[1], KEY, `sum${id}`],
  )
  await sync.database.query('test.due', 'update staging_sync.queue set due_at = now()')
  await sync.drain()
  expect(readWhole()).toBe(false)
  await expectSame(sync, nvr)
  expect(await sync.queued()).toEqual([])
})

it('a signature that prod took back is removed, one of staging by its own key stays', async () => {
  const { id, nvr, rpms } = await synced()
  const { prod, local } = sync
  await prod.signRpm(rpms[1] as number, KEY, { checksums: true })
  await told(id, [signature(`${nvr}.x86_64`)])
  await local.signRpm(rpms[1] as number, 'beef0009')
  await prod.rows('delete from rpm_checksum where rpm_id = $1 and sigkey = $2', [rpms[1], KEY])
  await prod.rows('delete from rpmsigs where rpm_id = $1 and sigkey = $2', [rpms[1], KEY])
  await told(id, [signature(`${nvr}.x86_64`)])
  expect(readWhole()).toBe(false)
  expect(
    await local.rows(`select sigkey from rpmsigs where rpm_id = $1 and sigkey <> ''`, [rpms[1]]),
  ).toEqual([{ sigkey: 'beef0009' }])
  await sync.clearQueue()
})

it.each([
  [
    'somebody else marked it too',
    async (id: number) => sync.queue.mark([{ key: { kind: 'build', buildId: id }, priority: 'sweep' }]),
    [],
  ],
  ['something else is expected too', async () => {}, [{ subject: 'state', claim: '1' }]],
  ['an rpm is named that staging does not have', async () => {}, [signature('other-1-1.x86_64')]],
  [
    'more is named than an entry keeps',
    async () => {},
    Array.from({ length: 70 }, (_, i) => signature(`other${i}-1-1.x86_64`)),
  ],
  [
    'its clash is open',
    async (id: number) =>
      sync.database.query(
        'test.clash',
        `insert into staging_sync.clash (key, subject, kind, decision, state) values ('build/${id}', 'x', 'edited', 'held', 'held')`,
      ),
    [],
  ],
  [
    'its files are being moved',
    async (id: number) =>
      sync.database.query(
        'test.place',
        `update staging_sync.placement set state = 'intent' where prod_build_id = ${id}`,
      ),
    [],
  ],
])('the build is read whole when %s', async (_why, before, more) => {
  const { id, nvr, rpms } = await synced()
  await before(id)
  await sync.prod.signRpm(rpms[1] as number, KEY, { checksums: true })
  await told(id, [signature(`${nvr}.x86_64`), ...more])
  expect(readWhole()).toBe(true)
  await expectSame(sync, nvr)
  await sync.clearQueue()
})

it('a build that is made anew while its signature is looked at is read whole', async () => {
  const { id, nvr, rpms } = await synced()
  const { prod, hub } = sync
  await prod.signRpm(rpms[1] as number, KEY, { checksums: true })
  hub.knobs.beforeNext('queryRPMSigs', async () => {
    await prod.resetBuild(nvr)
  })
  await told(id, [signature(`${nvr}.x86_64`)])
  expect(readWhole()).toBe(true)
  await expectSame(sync, nvr)
  await sync.clearQueue()
})

it('what staging changed between the look and the write is seen in the transaction', async () => {
  const { id, nvr, rpms } = await synced()
  const { prod, local } = sync
  await prod.signRpm(rpms[1] as number, KEY, { checksums: true })
  let done = false
  sync.onStep = async (name) => {
    if (name !== 'sql.build.begin' || done) return
    done = true
    await local.signRpm(rpms[1] as number, KEY, { checksums: true })
  }
  expect(['applied', 'unchanged']).toContain(await told(id, [signature(`${nvr}.x86_64`)]))
  sync.onStep = () => undefined
  expect(done).toBe(true)
  await expectSame(sync, nvr)
  await sync.clearQueue()
})

it('a signature that a message told of is not met until prod shows it', () => {
  const rpm = { name: 'bash', version: '1', release: '1', arch: 'x86_64' }
  const shown = (sigkeys: readonly string[]): Parameters<typeof unmetOf>[1] =>
    ({
      build: { state: 1 },
      rpms: [{ rpm, sigs: sigkeys.map((sigkey) => ({ sigkey })), checksums: [] }],
    }) as unknown as Parameters<typeof unmetOf>[1]
  const told = [signature('bash-1-1.x86_64')]
  expect(unmetOf(told, shown([]))).toEqual(told)
  expect(unmetOf(told, shown(['another']))).toEqual(told)
  expect(unmetOf(told, shown([KEY]))).toEqual([])
})
