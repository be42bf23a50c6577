import { expect, it } from 'vitest'
import type { Deps } from '../../src/converge/deps.ts'
import { convergeMigrations } from '../../src/converge/migrations.ts'
import { Scope } from '../../src/converge/scope.ts'
import type { Drift } from '../../src/model/drift.ts'
import { formatKey } from '../../src/model/key.ts'
import { Placements } from '../../src/operations/placements.ts'
import { Reconcile, type ReconcileLimits } from '../../src/reconcile/reconcile.ts'
import { Catalog } from '../../src/staging/catalog.ts'
import { migrate } from '../../src/staging/migration.ts'
import { Names } from '../../src/staging/names.ts'
import { type Scene, scene } from '../catchup/world.ts'

async function walk(
  at: Scene,
  limits: Partial<ReconcileLimits> = {},
  tags: readonly string[] = [],
): Promise<string[]> {
  const { database } = at.staging
  const catalog = await Catalog.read(database)
  const deps: Deps = {
    hub: at.hub,
    database,
    catalog,
    queue: null as never,
    names: new Names({ database, catalog }),
    scope: new Scope({ tags: ['*'], excludeTags: [], builds: 'tagged', sideTags: false }),
    owner: { userId: at.staging.userId, seedEvent: null },
    conflicts: { build: 'hold', tag: 'prod-wins', onRemoved: 'hold' },
    placement: new Placements({ rules: [], placements: [], volumes: {} }),
    tagRewrite: [],
    externalRepoRewrite: [],
  }
  const found: Drift[] = []
  const walked = { tags: 0, builds: 0 }
  for await (const drifts of new Reconcile({ deps, limits }).walk(
    at.signal,
    { tags, confirmMs: 0 },
    walked,
  )) {
    found.push(...drifts)
  }
  return found.map(({ kind, key }) => `${kind} ${formatKey(key)}`).sort()
}

it.each(['1.21.0', '1.25.0', '1.30.0', '1.33.0', 'HEAD'] as const)(
  'reads both sides of Koji %s',
  async (version) => {
    const at = await scene(version)
    const { prod, staging } = at
    await migrate(staging.database, convergeMigrations)
    await prod.addExternalRepo('epel', 'https://example.org/epel/')
    const tagId = await prod.addTag('f43', { arches: 'x86_64' })
    await prod.addExternalRepoToTag('f43', 'epel', { priority: 5 })
    await prod.addTarget('f43', 'f43', 'f43')
    const packageId = await prod.addPackage('f43', 'bash')
    const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
    const build = async (release: string): Promise<{ id: number; nvr: string }> => {
      const made = await prod.importBuild({ name: 'bash', version: '5', release, rpms })
      await prod.tagBuild('f43', made.id)
      return made
    }
    const [first, second] = [await build('1'), await build('2')]
    await at.own(first)
    const found = await walk(at)
    expect([...new Set(found)]).toEqual(
      [
        `build build/${second.id}`,
        'external-repo external-repo/1',
        `listing tagged/${tagId}/${packageId}`,
        `owner build/${first.id}`,
        `package package/${tagId}/${packageId}`,
        `rpms build/${first.id}`,
        `tag tag/${tagId}`,
        'target target/1',
        `time build/${first.id}`,
      ].sort(),
    )
    // Package by package, and one build a page, it is the same.
    const small = { pageRows: 1, listRows: 1, tagBuilds: 0, packages: 1, builds: 1, multicall: 1 }
    expect(await walk(at, small)).toEqual(found)
    expect(new Set(await walk(at, small, ['f43']))).toEqual(
      new Set(found.filter((one) => !one.startsWith('target'))),
    )
  },
)
