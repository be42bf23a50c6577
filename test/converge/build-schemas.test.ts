import { describe, expect, it } from 'vitest'
import type { KojiVersion } from '../support/koji-schema.ts'
import { expectSame, snapshotBuild, sweep, sweepOne } from './build-support.ts'
import { TestSync } from './support.ts'

/** The main course of a build's life. */
async function life(sync: TestSync): Promise<void> {
  const { prod } = sync
  const build = await prod.importBuild({
    name: 'life',
    version: '1',
    release: '1',
    epoch: 2,
    cg: 'generator',
    extra: { typeinfo: { maven: {} } },
    startTime: '2026-01-02 03:04:05.123456+00',
    rpms: [
      { arch: 'src', checksums: true },
      { arch: 'x86_64', checksums: true },
    ],
    maven: { groupId: 'g', artifactId: 'a', version: '1' },
    archives: [
      {
        filename: 'a.jar',
        type: 'jar',
        btype: 'maven',
        maven: { groupId: 'g', artifactId: 'a', version: '1' },
      },
    ],
  })
  expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
  await expectSame(sync, build.nvr)
  await prod.signRpm(build.rpms[0] as number, 'cafe0001', { checksums: true })
  await prod.addRpms(build.id, [{ arch: 'aarch64' }])
  await sweep(sync, [build.id])
  await expectSame(sync, build.nvr)
  const before = await sync.fingerprint()
  expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
  expect(await sync.fingerprint()).toEqual(before)
  await prod.resetBuild(build.id)
  await sweep(sync, [build.id])
  await prod.recycleBuild(build.id)
  await prod.completeBuild(build.id, { rpms: [{ arch: 'src' }] })
  await sweep(sync, [build.id])
  await expectSame(sync, build.nvr)
  await prod.deleteBuild(build.id)
  await sweep(sync, [build.id])
  await expectSame(sync, build.nvr)
}

async function withSync(
  options: Parameters<typeof TestSync.open>[0],
  work: (sync: TestSync) => Promise<void>,
) {
  const sync = await TestSync.open({ scope: { builds: 'all' }, ...options })
  try {
    await work(sync)
  } finally {
    await sync.close()
  }
}

describe('a build from import to deletion', () => {
  // Those between, with KSS_TEST_FULL=1; 1.35.0 is what all other tests run on.
  const between: readonly KojiVersion[] =
    process.env.KSS_TEST_FULL === '1' ? ['1.25.0', '1.33.0', '1.35.0'] : []
  const versions: readonly KojiVersion[] = ['1.21.0', '1.30.0', 'HEAD', ...between]
  for (const version of versions) it(`on ${version}`, () => withSync({ version }, life))
  it('of an old prod in a newer staging', () =>
    withSync({ version: '1.21.0', stagingVersion: '1.35.0' }, life))
  it('without checksums, which a staging before 1.32 has no table for', () =>
    withSync({ version: '1.35.0', stagingVersion: '1.30.0' }, async (sync) => {
      const build = await sync.prod.importBuild({
        name: 'newer',
        version: '1',
        release: '1',
        rpms: [{ arch: 'src', checksums: true }],
      })
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'applied' })
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    }))
})

it('a draft, and one that was promoted, is refused by a staging that knows none, naming the column', () =>
  withSync({ version: '1.35.0', stagingVersion: '1.33.0' }, async (sync) => {
    const { prod } = sync
    const draft = await prod.importBuild({
      name: 'drafty',
      version: '1',
      release: '1',
      draft: true,
      rpms: [{ arch: 'src' }],
    })
    const ended = await sweepOne(sync, draft.id)
    expect(ended).toMatchObject({ kind: 'failed', code: 'SCHEMA_CANNOT_HOLD' })
    expect(ended.kind === 'failed' && ended.reason).toContain('build.draft')
    expect(await snapshotBuild(sync.local, draft.nvr)).toBeNull()
    const nvr = await prod.promoteBuild(draft.id)
    const promoted = await sweepOne(sync, draft.id)
    expect(promoted).toMatchObject({ kind: 'failed', code: 'SCHEMA_CANNOT_HOLD' })
    expect(promoted.kind === 'failed' && promoted.reason).toContain('build.promot')
    expect(await snapshotBuild(sync.local, nvr)).toBeNull()
  }))
