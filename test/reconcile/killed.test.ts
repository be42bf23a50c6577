import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

const BUILDS = 44

let world: ReconcileWorld

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  // Builds of a tag come together, those of the other one later.
  for (const tag of ['f42', 'f43']) await prod.addTag(tag, { arches: 'x86_64' })
  for (let n = 0; n < BUILDS; n += 1) {
    const [name, tag] = [`package-${n}`, n < BUILDS / 2 ? 'f42' : 'f43']
    await prod.addPackage(tag, name)
    const made = await prod.importBuild({ name, version: '5', release: '1', rpms: [{ arch: 'src' }] })
    await prod.tagBuild(tag, made.id)
  }
})
afterAll(() => world?.close())

const built = () =>
  world.sql<{ id: number; xmin: string }>('select id, xmin::text from build where state = 1 order by id')

it('a snapshot that is killed in the middle goes on where it was, and writes nothing twice', async () => {
  const root = join(import.meta.dirname, '..', '..')
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', 'src/main.ts', 'reconcile', '--config', world.file, '--set', 'worker.concurrency=2'],
    { cwd: root, stdio: 'ignore' },
  )
  const ended = once(child, 'close')
  try {
    while ((await built()).length < 5) {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
      await sleep(10)
    }
  } finally {
    child.kill('SIGKILL')
    await ended
  }
  const before = await built()
  expect(before.length).toBeLessThan(BUILDS)
  // A minute later: nobody waits for the one that is gone.
  await world.sql(
    `update staging_sync.queue set lease_until = now() - interval '1 second' where lease_until is not null`,
  )
  for (const table of ['reconcile_run', 'daemon'])
    await world.sql(`update staging_sync.${table} set seen = now() - interval '2 minutes'`)
  const { report } = await world.reconcile()
  expect(report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
  expect(await built()).toEqual(expect.arrayContaining(before))
  expect((await world.reconcile()).found).toEqual([])
})
