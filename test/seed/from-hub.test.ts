import { afterAll, beforeAll, expect, it } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from '../operations/command.ts'

let world: E2eWorld

beforeAll(async () => {
  world = await e2eWorld({ init: false, role: 'owner' })
  const { prod } = world
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('f43', { arches: 'x86_64', parent: 'base' })
  await prod.addTag('f42', { arches: 'x86_64' })
  for (const [tag, name] of [
    ['base', 'glibc'],
    ['f43', 'bash'],
    ['f42', 'old'],
  ] as const) {
    await prod.addPackage(tag, name)
    const { id } = await prod.importBuild({ name, version: '1', release: '1', rpms: [{ arch: 'x86_64' }] })
    await prod.tagBuild(tag, id)
  }
})
afterAll(() => world?.close())

it('makes an empty staging Koji equal from the API alone: a tag with all that it needs, then the rest', async () => {
  const one = await command('seed', '--from-hub', '--tag', 'f43', '--config', world.file)
  expect(one).toMatchObject({ code: 0, stderr: '' })
  const names = async () =>
    (
      await world.sql<{ name: string }>(
        'select p.name from build b join package p on p.id = b.pkg_id order by 1',
      )
    ).map(({ name }) => name)
  expect(await names()).toEqual(['bash', 'glibc'])
  const all = await command('seed', '--from-hub', '--config', world.file)
  expect(all).toMatchObject({ code: 0, stderr: '' })
  expect(await names()).toEqual(['bash', 'glibc', 'old'])
  expect(await world.differences()).toEqual([])
})

it('does not go together with a dump', async () => {
  const both = await command('seed', '--from-hub', '--dump', '-', '--config', world.file)
  expect(both.code).toBe(2)
  expect(both.stderr).toContain('--dump')
})
