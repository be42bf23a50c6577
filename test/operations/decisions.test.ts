import { lstat, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from './command.ts'

let world: E2eWorld
beforeAll(async () => {
  world = await e2eWorld()
})
afterAll(() => world?.close())

const here = (...argv: string[]) => command(...argv, '--config', world.file)
const arches = async () =>
  (
    await world.sql<{ arches: string }>(
      `select arches from tag_config c join tag t on t.id = c.tag_id where active and name = 'f43'`,
    )
  )[0]?.arches

test('what staging edited goes as a person decides for the key, and as configured before and after', async () => {
  await world.prod.addTag('f43', { arches: 'x86_64' })
  expect((await here('sync', 'tag/f43')).code).toBe(0)
  const edit = () => world.local.editTag('f43', { arches: 'ppc64le' })
  await edit()
  expect((await here('sync', 'tag/f43')).code).toBe(0)
  expect(await arches()).toBe('x86_64')

  const [tag] = await world.sql<{ key: string }>('select distinct key from staging_sync.clash')
  const key = tag?.key ?? ''
  expect((await here('clashes', 'show', key)).stdout).toMatch(/prod-won[\s\S]*x86_64[\s\S]*ppc64le/)
  expect((await here('clashes', 'resolve', 'tag/f43', 'local-wins')).stdout).toContain(
    `${key}: local-wins, recorded for `,
  )
  await edit()
  expect((await here('sync', 'tag/f43')).code).toBe(0)
  expect(await arches()).toBe('ppc64le')
  expect((await here('clashes', 'list')).stdout).toMatch(
    /^local-won +tag\/\d+ \(f43\)[\s\S]*^local-wins tag\/\d+ \(f43\) {2}by \S+ on /m,
  )
  expect((await here('reconcile', '--dry-run', '--tag', 'f43')).code).toBe(0)

  expect((await here('clashes', 'resolve', key, 'config')).code).toBe(0)
  expect((await here('sync', key)).code).toBe(0)
  expect(await arches()).toBe('x86_64')
  expect(
    await world.sql('select what, subject, detail, who <> $1 as known from staging_sync.audit order by id', [
      '',
    ]),
  ).toEqual([
    { what: 'clashes resolve', subject: key, detail: 'local-wins', known: true },
    { what: 'clashes resolve', subject: key, detail: 'config', known: true },
  ])
})

test('a running daemon learns of a decision by itself, and keeps to it', async () => {
  const daemon = await world.start()
  const [tag] = await world.sql<{ key: string }>('select distinct key from staging_sync.clash')
  const key = tag?.key ?? ''
  // The daemon ends a clash that it does not see: when it looks at the key just then, it is made once more.
  const resolve = async (): Promise<string> => {
    await world.sql(
      `insert into staging_sync.clash (key, subject, kind, decision, state) values ($1, 'x', 'edited', 'held', 'held')
       on conflict do nothing`,
      [key],
    )
    return (await here('clashes', 'resolve', key, 'local-wins')).stdout
  }
  await expect.poll(resolve).toContain('the daemon sees to it now')
  await world.local.editTag('f43', { arches: 'aarch64' })
  // Said once more: marks the key.
  await here('clashes', 'resolve', key, 'local-wins')
  const open = async () =>
    (await world.sql('select state from staging_sync.clash where resolved_at is null')).map(
      ({ state }) => state,
    )
  await expect.poll(open).toEqual(['local-won'])
  expect(await arches()).toBe('aarch64')

  const ready = await daemon.page('/readyz')
  expect(ready.text).toMatch(/^ok {3}prod mount: mounted writable: /m)
  for (const name of ['progress', 'writing', 'database', 'hub', 'storage', 'bus', 'catch-up'])
    expect(ready.text).toMatch(new RegExp(`^ok {3}${name}: `, 'm'))
  expect(ready.status).toBe(200)
  const { status } = JSON.parse((await daemon.page('/status.json')).text)
  expect(status.clashing.clashes[0]).toMatchObject({ key, name: 'f43', state: 'local-won' })
  expect(status.clashing.decisions[0]).toMatchObject({ key, policy: 'local-wins' })
  const page = await daemon.page('/')
  expect(page.text).toMatch(/<code>f43<\/code> edited[\s\S]*aarch64/)
  await world.way.down()
  await world.local.editTag('f43', { arches: 's390x' })
  await here('clashes', 'resolve', key, 'local-wins')
  await expect
    .poll(async () => (await daemon.page('/readyz')).text, { interval: 500 })
    .toMatch(/^fail hub: down for/m)
  expect((await daemon.page('/readyz')).status).toBe(503)
  expect((await daemon.page('/')).text).toContain('Cannot tell')
  await world.way.up()
  await daemon.stop()
})

test('a key without a clash is refused, and so is one that is not parked; nothing is recorded', async () => {
  const [count] = await world.sql('select count(*)::int as count from staging_sync.audit')
  expect(await here('clashes', 'resolve', 'build/999', 'hold')).toMatchObject({
    code: 1,
    stderr: 'error CLASH_UNKNOWN: build/999 has no clash that stands\n',
  })
  expect((await here('parked', 'retry', 'build/999')).stderr).toContain(
    'error PARKED_UNKNOWN: build/999 is not parked',
  )
  expect(await world.sql('select count(*)::int as count from staging_sync.audit')).toEqual([count])
})

test('a parked key is tried anew at once, with a line of audit', async () => {
  await world.sql(`insert into staging_sync.queue (key, kind, priority, due_at, marked_at, parked_at, attempts, last_code, last_error)
    values ('build/777', 'build', 1, now() + interval '1 hour', now(), now(), 3, 'STORAGE_SOURCE_MISSING', 'gone')`)
  expect((await here('parked', 'list')).stdout).toContain('build/777  STORAGE_SOURCE_MISSING: gone')
  expect((await here('parked', 'retry', '--all')).stdout).toContain('1 key: marked; no daemon runs')
  expect(
    await world.sql(
      "select parked_at, attempts, due_at <= now() as due from staging_sync.queue where kind = 'build'",
    ),
  ).toEqual([{ parked_at: null, attempts: 0, due: true }])
  expect(await world.sql(`select subject from staging_sync.audit where what = 'parked retry'`)).toEqual([
    { subject: 'build/777' },
  ])
})

test('a build that staging made under the same name stays or is replaced as a person decides', async () => {
  const { prod, local } = world
  const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
  const build = (name: string) => ({ name, version: '5', release: '1' })
  await prod.addTag('f45', { arches: 'x86_64' })
  for (const name of ['taken', 'kept']) {
    await prod.addPackage('f45', name)
    await prod.importBuild({ ...build(name), rpms })
    await prod.tagBuild('f45', `${name}-5-1`)
    await local.rows(`select setval('build_id_seq', greatest(1000000000, (select max(id) from build)))`)
    await local.importBuild({ ...build(name), rpms: [{ arch: 'src' }, { arch: 'noarch' }] })
  }
  const arches = async (name: string) =>
    (
      await world.sql<{ arch: string }>(
        `select r.arch from rpminfo r join build b on b.id = r.build_id join package p on p.id = b.pkg_id where p.name = $1 order by 1`,
        [name],
      )
    ).map(({ arch }) => arch)
  expect((await here('sync', 'build/taken-5-1', 'build/kept-5-1')).code).toBe(4)
  const listed = await here('clashes', 'list')
  expect(listed.code).toBe(4)
  expect(listed.stdout.match(/^held .*(taken|kept)-5-1/gm)).toHaveLength(2)
  expect([await arches('taken'), await arches('kept')]).toEqual([
    ['noarch', 'src'],
    ['noarch', 'src'],
  ])

  expect((await here('clashes', 'resolve', 'build/taken-5-1', 'prod-wins')).stdout).toMatch(
    /prod-wins, recorded for \S+ /,
  )
  expect((await here('clashes', 'resolve', 'build/kept-5-1', 'local-wins')).code).toBe(0)
  // Nobody but a person takes away files that staging made.
  const files = join(world.root, 'staging', 'packages', 'taken', '5', '1')
  const inTheWay = await here('sync', 'build/taken-5-1', 'build/kept-5-1')
  expect([inTheWay.code, inTheWay.stdout]).toEqual([1, expect.stringMatching(/STORAGE_CLASH.*taken\/5\/1/)])
  expect(await arches('taken')).toEqual(['noarch', 'src'])
  await rename(files, `${files}-aside`)
  expect(await here('sync', 'build/taken-5-1')).toMatchObject({ code: 0 })
  expect((await lstat(files)).isSymbolicLink()).toBe(true)
  expect([await arches('taken'), await arches('kept')]).toEqual([
    ['src', 'x86_64'],
    ['noarch', 'src'],
  ])
  expect((await here('clashes', 'list')).stdout).not.toMatch(/^held/m)
  // The older the lower; a name is as good as a key.
  expect((await here('audit', 'build/taken-5-1')).stdout).toMatch(
    /^\S+Z {2}\S+ on \S+ {2}clashes resolve {2}build\/\d+ \(taken-5-1\) {2}prod-wins\n$/,
  )
  const all = JSON.parse((await here('audit', '--json')).stdout) as { detail: string }[]
  expect(all.slice(0, 2).map(({ detail }) => detail)).toEqual(['local-wins', 'prod-wins'])
})
