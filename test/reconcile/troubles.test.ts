import { afterAll, beforeAll, expect, it } from 'vitest'
import { exitCodeOf, StopError } from '../../src/errors.ts'
import { openHere } from '../e2e/daemon.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld

async function idOf(table: string, name: string): Promise<number> {
  return Number((await world.prod.rows(`select id from ${table} where name = $1`, [name]))[0]?.id)
}

/** Of scope and policy, as a daemon notes it. */
async function digestOf(): Promise<string> {
  const daemon = await world.start({ catchUp: 'off' })
  const [row] = await world.sql<{ digest: string }>('select digest from staging_sync.daemon limit 1')
  await daemon.stop()
  return row?.digest as string
}

async function codeOf(work: Promise<unknown>): Promise<[string, number]> {
  try {
    await work
  } catch (error) {
    return [(error as { code: string }).code, exitCodeOf(error)]
  }
  return ['none', 0]
}

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  for (const name of ['bash', 'zsh', 'vim']) {
    await prod.addPackage('f43', name)
    const made = await prod.importBuild({ name, version: '5', release: '1', rpms: [{ arch: 'src' }] })
    await prod.tagBuild('f43', made.id)
  }
}, 60_000)
afterAll(() => world?.close())

it('goes on where it was given up', async () => {
  const here = await openHere({ file: world.file })
  const stop = new AbortController()
  const cut = (async () => {
    for await (const news of here.operations.reconcile({ dryRun: false, tags: [] }, stop.signal)) {
      if (news.kind === 'difference') stop.abort(new StopError('STOPPED_BY_TEST', 'enough'))
    }
  })()
  expect((await codeOf(cut))[1]).toBe(0)
  await here.operations.destroy()
  expect(await world.sql('select id from staging_sync.reconcile_run')).toEqual([])
  await world.reconcile()
  expect(await world.differences()).toEqual([])
})

it('says who reconciles when somebody does already, and does not mind one who was cut off', async () => {
  const take = (seen: string) =>
    world.sql(
      `insert into staging_sync.reconcile_run (id, host, pid, seen) values ('other', 'elsewhere', 77, now() - $1::interval)`,
      [seen],
    )
  await take('1 second')
  await expect(world.reconcile()).rejects.toMatchObject({
    code: 'RECONCILE_RUNS',
    message: expect.stringContaining('77 on elsewhere'),
  })
  expect((await world.reconcile({ dryRun: true })).found).toEqual([])
  await world.sql('delete from staging_sync.reconcile_run')
  await take('2 minutes')
  expect((await world.reconcile()).found).toEqual([])
})

it('marks only, and waits for it, where a daemon runs', async () => {
  const { prod } = world
  await prod.importBuild({ name: 'sed', version: '5', release: '1', rpms: [{ arch: 'src' }] })
  const daemon = await world.start()
  await world.settled()
  // After its catch-up, and with no message: nobody knows.
  await prod.setExtra('f43', 'mock.new_chroot', 0)
  const { found, report } = await world.reconcile()
  expect(found).toEqual([`extra tag/${await idOf('tag', 'f43')}`])
  expect(report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
  expect(await daemon.metric('keys_total', { kind: 'tag', outcome: 'applied' })).toBeGreaterThan(0)
  await daemon.stop()
})

it('works itself when the daemon that was to do it goes', async () => {
  const { prod } = world
  await world.sql(
    `insert into staging_sync.daemon (id, host, pid, digest, seen) select 'gone', 'elsewhere', 1, digest, now() - interval '57 seconds' from (values ($1::text)) d(digest)`,
    [await digestOf()],
  )
  await prod.setExtra('f43', 'mock.yum.best', 0)
  const { found } = await world.reconcile()
  expect(found).toEqual([`extra tag/${await idOf('tag', 'f43')}`])
  expect(await world.differences()).toEqual([])
})

it('removes nothing on the word of a hub that answers less, once the budget is spent, and adds all the same', async () => {
  const { prod, prodHub } = world
  await world.sql(
    `insert into staging_sync.removal (kind, count) select k, 1000 from unnest(array['tag_listing', 'tag_packages', 'tag_package_owners', 'tag_extra']) k`,
  )
  await prod.addPackage('f43', 'fresh')
  const vim = await idOf('package', 'vim')
  prodHub.knobs.dropRows('queryHistory', (row) => row.name === 'vim' || row['package.name'] === 'vim')
  const { found, report } = await world.reconcile()
  prodHub.knobs.keepRows('queryHistory')
  const f43 = await idOf('tag', 'f43')
  expect(found).toEqual(
    [
      `listing tagged/${f43}/${vim}`,
      `package package/${f43}/${vim}`,
      `package package/${f43}/${await idOf('package', 'fresh')}`,
    ].sort(),
  )
  expect(report).toMatchObject({ heldKeys: 2, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
})

it('lets proved removals pass a spent budget, and as many more as a person allows, who is recorded', async () => {
  const { prod, prodHub, sql } = world
  const active = async (table: string, name: string): Promise<number> => {
    const by =
      table === 'tag_listing'
        ? 'join build b on b.id = t.build_id join package p on p.id = b.pkg_id'
        : 'join package p on p.id = t.package_id'
    const rows = await sql(`select 1 from ${table} t ${by} where t.active and p.name = $1`, [name])
    return rows.length
  }
  // Proved: prod's history has the revoke.
  await prod.untagBuild('f43', 'zsh-5-1')
  // A page that is lost: nothing says why it is not there.
  const lost = (row: Record<string, unknown>) => row.name === 'vim' || row['package.name'] === 'vim'
  prodHub.knobs.dropRows('queryHistory', lost)
  const first = await world.reconcile()
  expect(first.report).toMatchObject({ heldKeys: 2, parkedKeys: 0 })
  expect([await active('tag_listing', 'zsh'), await active('tag_listing', 'vim')]).toEqual([0, 1])
  // Enough for one of the three rows of vim.
  const second = await world.reconcile({ allowRemovals: 1 })
  expect(second.report.heldKeys).toBeGreaterThan(0)
  const left = async (): Promise<number> =>
    (await active('tag_listing', 'vim')) +
    (await active('tag_packages', 'vim')) +
    (await active('tag_package_owners', 'vim'))
  expect(await left()).toBe(2)
  const third = await world.reconcile({ allowRemovals: 5 })
  expect(third.report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await left()).toBe(0)
  expect(
    await sql(
      'select rows::int, used::int, granted_by, granted_at is not null as granted, ended_at is not null as ended from staging_sync.removal_grant order by id',
    ),
  ).toEqual([
    { rows: 1, used: 1, granted_by: 'ann', granted: true, ended: true },
    { rows: 5, used: 2, granted_by: 'ann', granted: true, ended: true },
  ])
  prodHub.knobs.keepRows('queryHistory')
  await world.reconcile()
  expect(await world.differences()).toEqual([])
})

it('is not led to delete a tag that a list leaves out', async () => {
  const { prodHub } = world
  prodHub.knobs.dropRows('listTags', (row) => row.name === 'f43')
  const { found } = await world.reconcile()
  prodHub.knobs.keepRows('listTags')
  expect(found).toContain(`tag tag/${await idOf('tag', 'f43')}`)
  expect(await world.differences()).toEqual([])
})

it("asks for the next tag's lists while one's rpms are on their way", async () => {
  const { prod, prodHub } = world
  await prod.addTag('other', { arches: 'x86_64' })
  await prod.addPackage('other', 'nano')
  const made = await prod.importBuild({ name: 'nano', version: '1', release: '1', rpms: [{ arch: 'src' }] })
  await prod.tagBuild('other', made.id)
  await world.reconcile()
  const { knobs } = prodHub
  let isAhead = false
  // The hub holds the first one's rpms back until the other's lists were asked for.
  knobs.beforeNext('listTaggedRPMS', async () => {
    const from = knobs.calls.length
    const untilMs = performance.now() + PATIENCE_MS
    while (!isAhead && performance.now() < untilMs) {
      isAhead = knobs.calls.slice(from).some(({ method }) => method === 'queryHistory')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  const { report } = await world.reconcile({ dryRun: true })
  expect([isAhead, report.differences.drift]).toEqual([true, 0])
})

it('warns of a pattern of scope that no tag of prod matches', async () => {
  const here = await openHere({ file: world.file, set: ['scope.tags=["f43", "fedora-43*"]'] })
  await world.reconcile({ dryRun: true, here })
  await here.operations.destroy()
  const warned = here.log.all.filter(({ msg }) => msg.startsWith('scope.tags has patterns'))
  expect(warned.map(({ level, patterns }) => [level, patterns])).toEqual([['warn', ['fedora-43*']]])
})

it('ends with the code of what is down or looks wrong', async () => {
  const { prodHub } = world
  prodHub.knobs.failNext('http-500', 1_000)
  expect((await codeOf(world.reconcile({ dryRun: true })))[1]).toBe(11)
  for (let left = prodHub.knobs.takeTrouble(); left !== undefined; ) left = prodHub.knobs.takeTrouble()
  for (const tag of ['f44', 'f44*']) {
    expect(await codeOf(world.reconcile({ tags: ['f43', tag] }))).toEqual(['RECONCILE_TAG_UNKNOWN', 1])
  }
  await world.sql('update staging_sync.cursor set event = event + 1000000')
  const before = await world.written()
  expect(await codeOf(world.reconcile({ dryRun: true, allowRemovals: 5 }))).toEqual(['REMOVALS_INVALID', 1])
  expect(await codeOf(world.reconcile({ dryRun: true }))).toEqual(['PROD_WENT_BACK', 14])
  expect(await codeOf(world.reconcile({ tags: ['f43'] }))).toEqual(['PROD_WENT_BACK', 14])
  const { 'staging_sync.daemon': _d, 'staging_sync.reconcile_run': _r, ...after } = await world.written()
  expect(before).toMatchObject(after)
})
