import { chmodSync, existsSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from './command.ts'

let world: E2eWorld
let stamp: string
let refresh: string
beforeAll(async () => {
  world = await e2eWorld({ init: false })
  stamp = join(world.root, 'stamp')
  refresh = join(world.root, 'refresh')
  await command('init', '--config', world.file, ...world.asOwner)
  await world.grant()
})
afterAll(() => world?.close())

const rpms = [{ arch: 'x86_64' }]
const placed = (mode: string): string[] => [
  '--set',
  `placement=[{ mode = "${mode}" }]`,
  '--set',
  'copy.reserve_bytes=0',
  '--set',
  'scope.builds=tagged',
]
const here = (verb: string, mode: string, ...argv: string[]) =>
  command(verb, '--config', world.file, ...placed(mode), ...argv)
const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

it('prune lists a copy that has no tag any more, removes it with --yes, and it comes back with a tag', async () => {
  const { prod } = world
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.addPackage('f43', 'bash')
  const build = await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms })
  await prod.tagBuild('f43', build.id)
  const sync = () => here('sync', 'copy', 'tag/f43', 'package/f43/bash', 'tagged/f43/bash')
  expect(await sync()).toMatchObject({ code: 0 })
  const directory = join(world.root, 'staging/vol/prod-copy/packages/bash/5/1')
  expect(existsSync(directory)).toBe(true)
  const status = JSON.parse((await here('status', 'copy', '--json')).stdout)
  expect(status.placements.find(({ mode }: { mode: string }) => mode === 'copy').bytes).toBeGreaterThan(0)
  await prod.untagBuild('f43', build.id)
  await sync()

  // An import by hand is looked at again for a while.
  await world.sql('delete from staging_sync.queue')

  const nothing = await here('prune', 'copy')
  expect(lines(nothing.stdout)).toMatchObject([{ kind: 'end', builds: 0 }])
  const listed = await here('prune', 'copy', '--older-than', '0')
  expect(lines(listed.stdout)).toMatchObject([
    { kind: 'build', nvr: 'bash-5-1', outcome: 'prunable' },
    { kind: 'end', builds: 1, removed: false },
  ])
  expect(existsSync(directory)).toBe(true)
  const pruned = await here('prune', 'copy', '--older-than', '0', '--yes')
  expect(pruned).toMatchObject({ code: 0, stderr: '' })
  expect(lines(pruned.stdout)).toMatchObject([
    { kind: 'build', outcome: 'pruned' },
    { kind: 'progress' },
    { kind: 'end', builds: 1, removed: true },
  ])
  expect(existsSync(directory)).toBe(false)

  await prod.tagBuild('f43', build.id)
  expect(await sync()).toMatchObject({ code: 0 })
  expect(existsSync(directory)).toBe(true)
  expect(await world.differences({ tags: ['f43'] })).toEqual([])
})

it('refresh-snapshot refuses without a program, and beside a daemon; a program that fails, or touches no stamp, is named', async () => {
  const asked = (...argv: string[]) => here('refresh-snapshot', 'in-place', ...argv)
  expect((await asked()).stderr).toContain('SNAPSHOT_NO_COMMAND')
  const set = ['--set', `in_place.refresh_command=["${refresh}"]`, '--set', `in_place.stamp=${stamp}`]
  const script = (text: string): void => {
    writeFileSync(refresh, `#!/bin/sh\n${text}\n`)
    chmodSync(refresh, 0o755)
  }
  script('echo no room; exit 3')
  const failed = await asked(...set)
  expect(failed.code).toBe(13)
  expect(failed.stderr).toContain('SNAPSHOT_FAILED')
  expect(failed.stderr).toContain('code 3')
  expect(lines(failed.stdout)).toMatchObject([{ kind: 'running' }, { kind: 'said', line: 'no room' }])

  script('true')
  writeFileSync(stamp, '')
  utimesSync(stamp, 1_000_000, 1_000_000)
  expect((await asked(...set)).stderr).toContain('was not touched')

  // One build that the snapshot has, and one that prod completes while it is taken.
  const [last] = await world.prod.rows('select id from events order by id desc limit 1')
  for (const [prodId, version, days] of [
    [901, '91', -1],
    [902, '92', 1],
  ] as const) {
    const { id } = await world.local.importBuild({ name: 'zsh', version, release: '1' })
    await world.sql(
      `update build set completion_time = now() + make_interval(days => ${days}) where id = ${id}`,
    )
    await world.sql(`insert into staging_sync.owned (kind, prod_id, staging_id) values ('build', ${prodId}, ${id});
      insert into staging_sync.placement (prod_build_id, staging_volume, name, version, release, prod_volume, mode, state)
        values (${prodId}, 'DEFAULT', 'zsh', '${version}', '1', 'DEFAULT', 'in-place', 'placed')`)
  }
  await world.sql('delete from staging_sync.queue')
  script(
    `test -d "$STAGING_TOPDIR/packages" && touch ${stamp}; env | grep -i password; echo event $PROD_EVENT of $PROD_EVENT_TIME`,
  )
  const done = await asked(...set)
  expect(done).toMatchObject({ code: 0, stderr: '' })
  expect(lines(done.stdout).at(-1)).toMatchObject({ kind: 'end', event: last?.id, newer: 1, marked: 2 })
  expect(done.stdout).toContain(`event ${last?.id} of 20`)
  expect(await world.sql(`select value from staging_sync.setting where key = 'snapshot_event'`)).toEqual([
    { value: expect.stringMatching(new RegExp(`^${last?.id} \\d{4}-`)) },
  ])
  const queued = await world.sql('select key from staging_sync.queue order by priority, key')
  expect(queued).toEqual([{ key: 'build/902' }, { key: 'build/901' }])
  await world.sql('delete from staging_sync.queue')
  expect(lines(done.stdout).at(-1).ageSeconds).toBeLessThan(3600)
  expect(done.stdout).not.toMatch(/password/i)
  expect(statSync(stamp).isFile()).toBe(true)

  const daemon = 'b7a7a7a7-0000-4000-8000-000000000000'
  await world.sql(
    `insert into staging_sync.daemon (id, host, pid, digest) values ('${daemon}', 'away', 7, 'x')`,
  )
  expect((await asked(...set)).stderr).toContain('SNAPSHOT_BUSY')
  await world.sql('delete from staging_sync.daemon')
  rmSync(refresh)
  expect((await asked(...set)).stderr).toContain('SNAPSHOT_FAILED')
})
