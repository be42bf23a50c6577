import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld
const builds = new Map<string, { id: number; rpms: number[] }>()
const id = (nvr: string): number => builds.get(nvr)?.id as number

async function idOf(table: string, name: string): Promise<number> {
  return Number((await world.prod.rows(`select id from ${table} where name = $1`, [name]))[0]?.id)
}

const names = ['bash', 'zsh', 'vim', 'sed', 'awk', 'tar']

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.setExtra('f43', 'mock.package_manager', 'dnf')
  for (const name of names) {
    await prod.addPackage('f43', name)
    const made = await prod.importBuild({
      name,
      version: '5',
      release: '1',
      rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
    })
    await prod.tagBuild('f43', made.id)
    await prod.signRpm(made.rpms[1] as number, 'abcd1234')
    builds.set(name, { id: made.id, rpms: [...made.rpms] })
  }
  await world.reconcile()
  expect(await world.differences()).toEqual([])
})
afterAll(() => world?.close())

it("leaves what staging's own people added", async () => {
  const { local } = world
  await local.addTag('ours', { arches: 'x86_64' })
  await local.addPackage('ours', 'mine')
  await local.setExtra('f43', 'local.key', true)
  const own = await local.importBuild({ name: 'mine', version: '1', release: '1', rpms: [{ arch: 'src' }] })
  await local.tagBuild('ours', own.id)
  await local.addPackage('f43', 'mine')
  await local.tagBuild('f43', own.id)
  const [rpm] = await world.sql<{ id: number }>('select id from rpminfo where build_id = $1 and arch = $2', [
    id('bash'),
    'x86_64',
  ])
  await local.signRpm(rpm?.id as number, '12345678')
  const before = await world.written()
  expect((await world.reconcile({ dryRun: true })).found).toEqual([])
  expect(await world.written()).toEqual(before)
  const { report } = await world.reconcile()
  expect(report.differences).toEqual({ drift: 0, queued: 0, parked: 0, held: 0 })
})

it('finds what was removed or changed in staging, and makes it as in prod', async () => {
  const { local } = world
  const [f43, vim, sed] = [
    await idOf('tag', 'f43'),
    await idOf('package', 'vim'),
    await idOf('package', 'sed'),
  ]
  await local.removeExtra('f43', 'mock.package_manager')
  await local.untagBuild('f43', 'vim-5-1')
  await local.removePackage('f43', 'sed')
  await world.sql(
    'delete from rpmsigs where sigkey = $2 and rpm_id in (select id from rpminfo where build_id = $1)',
    [id('awk'), 'abcd1234'],
  )
  await world.sql('delete from rpm_checksum where rpm_id in (select id from rpminfo where build_id = $1)', [
    id('tar'),
  ])
  await world.sql(
    'delete from rpmsigs where rpm_id in (select id from rpminfo where build_id = $1 and arch = $2)',
    [id('tar'), 'src'],
  )
  await world.sql('delete from rpminfo where build_id = $1 and arch = $2', [id('tar'), 'src'])
  const expected = [
    `extra tag/${f43}`,
    `listing tagged/${f43}/${vim}`,
    `package package/${f43}/${sed}`,
    `rpms build/${id('tar')}`,
    `signatures build/${id('awk')}`,
  ].sort()
  expect((await world.reconcile({ dryRun: true })).found).toEqual(expected)
  const real = await world.reconcile()
  expect(real.found).toEqual(expected)
  expect((await world.reconcile({ dryRun: true })).found).toEqual([])
})

it('reports an edited build as held, by the policy for builds, and writes nothing of it', async () => {
  const { prod, local } = world
  await local.addUser('somebody')
  await local.setBuildOwner('zsh-5-1', 'somebody')
  const first = await world.reconcile()
  expect(first.found).toEqual([`owner build/${id('zsh')}`])
  expect(first.report.heldKeys).toBe(1)
  const second = await world.reconcile()
  expect(second.report.differences).toEqual({ drift: 0, queued: 0, parked: 0, held: 1 })
  expect(second.missed).toEqual({})
  const [row] = await world.sql<{ name: string }>(
    'select u.name from build b join users u on u.id = b.owner where b.id = $1',
    [id('zsh')],
  )
  expect(row?.name).toBe('somebody')
  const tagOnly = await world.reconcile({ tags: ['f4?'] })
  expect(tagOnly.report).toMatchObject({ tags: 1, differences: { held: 1 } })
  await local.setBuildOwner(
    'zsh-5-1',
    String(
      (
        await prod.rows('select u.name from build b join users u on u.id = b.owner where b.id = $1', [
          id('zsh'),
        ])
      )[0]?.name,
    ),
  )
  expect((await world.reconcile()).report.differences).toMatchObject({ drift: 0 })
  expect((await world.reconcile()).found).toEqual([])
})

it('does not count twice what is marked already', async () => {
  const { prod } = world
  await prod.setExtra('f43', 'mock.new_chroot', 0)
  const f43 = await idOf('tag', 'f43')
  await world.sql(
    `insert into staging_sync.queue (key, kind, priority, due_at, marked_at) values ($1, 'tag', 1, now() + interval '1 hour', now())`,
    [`tag/${f43}`],
  )
  const { report, missed } = await world.reconcile()
  expect([report.differences, missed]).toEqual([{ drift: 0, queued: 1, parked: 0, held: 0 }, {}])
  expect((await world.reconcile({ dryRun: true })).found).toEqual([])
})
