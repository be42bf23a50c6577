import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { compareHubs, describeDifference } from './compare.ts'
import { type SimulatedHub, startHub } from './hub.ts'
import { openWorld, type ProdWorld } from './prod-world.ts'

interface Side {
  database: TestDatabase
  hub: SimulatedHub
  world: ProdWorld
}

let prod: Side
let staging: Side

async function side(): Promise<Side> {
  const database = await testDatabase()
  const hub = await startHub({ databaseUrl: database.url })
  const world = await openWorld({ databaseUrl: database.url })
  await world.addTag('f43', { arches: 'x86_64', extra: { a: 1 } })
  await world.addPackage('f43', 'bash')
  return { database, hub, world }
}

beforeAll(async () => {
  prod = await side()
  staging = await side()
})

afterAll(async () => {
  for (const { database, hub, world } of [prod, staging]) {
    await world.close()
    await hub.close()
    await database.drop()
  }
})

const compare = async () => {
  const { differences } = await compareHubs({ prod: prod.hub.url, staging: staging.hub.url, builds: 'all' })
  return differences.map(describeDifference).sort()
}

it('finds two hubs equal whose ids and events differ', async () => {
  await staging.world.idleEvent()
  expect(await compare()).toEqual([])
})

it('tells 1 from 1.0 and true in extra, and a blocked value from none', async () => {
  await prod.world.putExtra('f43', 'a', '1.0')
  expect(await compare()).toContain(
    'tag f43: {arches: "x86_64", extra: {a: 1.0}, locked: false, maven_include_all: false, maven_support: false, name: "f43", perm: null} -> ' +
      '{arches: "x86_64", extra: {a: 1}, locked: false, maven_include_all: false, maven_support: false, name: "f43", perm: null}',
  )
  await staging.world.putExtra('f43', 'a', '1.0')
  await prod.world.blockExtra('f43', 'b')
  expect(await compare()).toEqual([
    'tag extra with blocked f43: {extra: {a: [false, 1.0], b: [true, null]}} -> {extra: {a: [false, 1.0]}}',
  ])
  await staging.world.blockExtra('f43', 'b')
  expect(await compare()).toEqual([])
})

it('sees the order of taggings within a package, missing builds and missing signatures', async () => {
  const spec = (version: string) => ({
    name: 'bash',
    version,
    release: '1',
    startTime: '2026-01-01 00:00:00+00',
    completionTime: '2026-01-01 00:00:01+00',
  })
  for (const { world } of [prod, staging]) {
    const first = await world.importBuild(spec('1'))
    const second = await world.importBuild(spec('2'))
    const order = world === prod.world ? [first, second] : [second, first]
    for (const build of order) await world.tagBuild('f43', build.id)
  }
  expect((await compare())[0]).toBe('tagged f43 bash: ["bash-2-1", "bash-1-1"] -> ["bash-1-1", "bash-2-1"]')
  await staging.world.retagBuild('f43', 'bash-2-1')
  expect(await compare()).toEqual([])
  const extra = await prod.world.importBuild({
    name: 'zsh',
    version: '1',
    release: '1',
    rpms: [{ arch: 'src' }],
  })
  await prod.world.signRpm(extra.rpms[0] as number, 'abcd1234')
  const lines = await compare()
  expect(lines).toContain('build zsh-1-1: missing in staging')
  expect(lines).toContain('signature zsh-1-1 zsh-1-1.src abcd1234: missing in staging')
})
