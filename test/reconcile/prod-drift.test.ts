import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { openHere } from '../e2e/daemon.ts'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld
const builds = new Map<string, { id: number; rpms: number[] }>()

const id = (nvr: string): number => builds.get(nvr)?.id as number
const rpmOf = (nvr: string): number => builds.get(nvr)?.rpms[1] as number

async function idOf(table: string, name: string): Promise<number> {
  return Number((await world.prod.rows(`select id from ${table} where name = $1`, [name]))[0]?.id)
}

async function build(tag: string, name: string, release: string, more: object = {}): Promise<void> {
  const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
  const made = await world.prod.importBuild({ name, version: '5', release, rpms, ...more })
  await world.prod.tagBuild(tag, made.id)
  builds.set(`${name}-5-${release}`, { id: made.id, rpms: [...made.rpms] })
}

beforeAll(async () => {
  world = await reconcileWorld()
  const { prod } = world
  await prod.addUser('somebody')
  await prod.addExternalRepo('epel', 'https://example.org/epel/')
  await prod.addExternalRepo('fedora', 'https://example.org/fedora/')
  await prod.addExternalRepo('gone', 'https://example.org/gone/')
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('f43', { arches: 'x86_64', parent: 'base' })
  for (const tag of ['renamed', 'deleted', 'quiet']) await prod.addTag(tag, { arches: 'x86_64' })
  await prod.addExternalRepoToTag('f43', 'epel', { priority: 5 })
  for (const target of ['edited', 'removed', 'same']) await prod.addTarget(target, 'base', 'f43')
  const names = ['bash', 'zsh', 'vim', 'sed', 'awk', 'tar', 'gzip', 'make', 'gcc', 'gdb', 'lost']
  for (const name of names) await prod.addPackage('f43', name)
  await prod.addPackage('quiet', 'bash')
  for (const name of names) await build('f43', name, '1')
  await build('f43', 'bash', '2')
  await prod.signRpm(rpmOf('gcc-5-1'), 'abcd1234')
  await prod.signRpm(rpmOf('gdb-5-1'), 'abcd1234')
  const { report } = await world.reconcile()
  expect(report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
})
afterAll(() => world?.close())

it('finds each kind of change that nobody told of, by exactly its keys, and makes all equal', async () => {
  const { prod } = world
  const [base, f43, renamed, deleted] = await Promise.all(
    ['base', 'f43', 'renamed', 'deleted'].map((name) => idOf('tag', name)),
  )
  const [vim, sed, awk, bash, lost] = await Promise.all(
    ['vim', 'sed', 'awk', 'bash', 'lost'].map((name) => idOf('package', name)),
  )
  await prod.editTag('base', { arches: 'x86_64 aarch64' })
  await prod.setExtra('f43', 'mock.package_manager', 'dnf')
  await prod.addGroup('f43', 'build')
  await prod.setInheritance('f43', [{ parent: 'base', priority: 7 }])
  await prod.removeExternalRepoFromTag('f43', 'epel')
  await prod.renameTag('renamed', 'renamed-now')
  await prod.deleteTag('deleted')
  await prod.editExternalRepo('fedora', { url: 'https://example.org/other/' })
  await prod.deleteExternalRepo('gone')
  await prod.editTarget('edited', { destTag: 'base' })
  await prod.deleteTarget('removed')
  await prod.blockPackage('f43', 'vim')
  await prod.setOwner('f43', 'sed', 'somebody')
  await prod.addPackage('f43', 'fresh')
  await prod.untagBuild('f43', 'awk-5-1')
  await prod.retagBuild('f43', 'bash-5-1')
  await prod.untagBuild('f43', 'lost-5-1')
  await prod.deleteBuild('lost-5-1')
  await build('f43', 'fresh', '1')
  await prod.setBuildOwner(id('zsh-5-1'), 'somebody')
  await prod.setBuildTimestamp(id('tar-5-1'), '2020-01-02 03:04:05.678901+00')
  await prod.changeVolume(id('gzip-5-1'), 'archive')
  await prod.addRpms(id('make-5-1'), [{ arch: 's390x' }])
  await prod.signRpm(rpmOf('gcc-5-1'), 'fedcba98')
  await prod.deleteSig(rpmOf('gdb-5-1'), 'abcd1234')
  // In no tag that is in scope: nobody's business.
  await prod.importBuild({ name: 'untagged', version: '5', release: '1', rpms: [{ arch: 'src' }] })

  const [edited, removed, fedora, gone, fresh] = [
    await idOf('build_target', 'edited'),
    await idOf('build_target', 'removed'),
    await idOf('external_repo', 'fedora'),
    await idOf('external_repo', 'gone'),
    await idOf('package', 'fresh'),
  ]
  const expected = [
    `tag tag/${base}`,
    `extra tag/${f43}`,
    `groups tag/${f43}`,
    `inheritance tag/${f43}`,
    `external-repos tag/${f43}`,
    `name tag/${renamed}`,
    `tag tag/${deleted}`,
    `external-repo external-repo/${fedora}`,
    `external-repo external-repo/${gone}`,
    `target target/${edited}`,
    `target target/${removed}`,
    `package package/${f43}/${vim}`,
    `package package/${f43}/${sed}`,
    `package package/${f43}/${fresh}`,
    `listing tagged/${f43}/${awk}`,
    `listing tagged/${f43}/${bash}`,
    `listing tagged/${f43}/${lost}`,
    `listing tagged/${f43}/${fresh}`,
    `state build/${id('lost-5-1')}`,
    `build build/${id('fresh-5-1')}`,
    `owner build/${id('zsh-5-1')}`,
    `time build/${id('tar-5-1')}`,
    `volume build/${id('gzip-5-1')}`,
    `rpms build/${id('make-5-1')}`,
    `signatures build/${id('gcc-5-1')}`,
    `signatures build/${id('gdb-5-1')}`,
  ].sort()
  const before = await world.written()
  const dry = await world.reconcile({ dryRun: true })
  expect(dry.found).toEqual(expected)
  expect(dry.report.differences).toMatchObject({ queued: 0, parked: 0, held: 0 })
  expect(await world.written()).toEqual(before)
  expect(dry.missed).toEqual({})

  const real = await world.reconcile()
  expect(real.found).toEqual(expected)
  expect(real.missed).toMatchObject({ listing: 4, signatures: 2, volume: 1, owner: 1, time: 1, extra: 1 })
  expect(real.report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  expect(await world.differences()).toEqual([])
  const again = await world.reconcile()
  expect([again.found, again.missed]).toEqual([[], {}])
})

it('shows both sides of a difference by their names', async () => {
  const { prod } = world
  await prod.retagBuild('f43', 'bash-5-2')
  await prod.signRpm(rpmOf('vim-5-1'), 'abcd1234')
  await prod.setBuildOwner(id('tar-5-1'), 'somebody')
  const { drifts } = await world.reconcile({ dryRun: true })
  expect(drifts.map(({ kind, subject, prod, staging }) => ({ kind, subject, prod, staging }))).toEqual(
    expect.arrayContaining([
      {
        kind: 'listing',
        subject: 'f43: bash',
        prod: ['bash-5-1', 'bash-5-2'],
        staging: ['bash-5-2', 'bash-5-1'],
      },
      { kind: 'owner', subject: 'tar-5-1', prod: 'somebody', staging: expect.any(String) },
    ]),
  )
  await world.reconcile()
  expect(await world.differences()).toEqual([])
})

it('names a tag, and a pattern of tags, that prod has none of', async () => {
  for (const tag of ['f44', 'f44*']) {
    await expect(world.reconcile({ dryRun: true, tags: ['f43', tag] })).rejects.toMatchObject({
      code: 'RECONCILE_TAG_UNKNOWN',
      message: `prod has no tag ${tag}`,
    })
  }
})

it('names a tag, and a pattern of tags, that prod has and scope leaves out', async () => {
  const here = await openHere({ file: world.file, set: ['scope.exclude_tags=["f4*"]'] })
  onTestFinished(() => here.operations.destroy())
  for (const tag of ['f43', 'f4*']) {
    await expect(world.reconcile({ dryRun: true, tags: [tag], here })).rejects.toMatchObject({
      code: 'RECONCILE_OUT_OF_SCOPE',
      message: expect.stringContaining(`tag ${tag} is not replicated`),
    })
  }
})
