import { existsSync, lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type KojiVersion, kojiVersions } from '../support/koji-schema.ts'
import { testDatabase } from '../support/postgres.ts'
import { scratchHome } from '../support/scratch.ts'
import { ask, keywords } from './ask.ts'
import { type SimulatedHub, startHub } from './hub.ts'
import { openWorld, type ProdWorld } from './prod-world.ts'
import type { Struct, Value } from './wire-value.ts'
import type { Announcement } from './world/transaction.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Scene {
  world: ProdWorld
  hub: SimulatedHub
  topdir: string
  heard: Announcement[]
  call(method: string, ...params: Value[]): Promise<Struct & Struct[]>
}

async function scene(version: KojiVersion = '1.35.0'): Promise<Scene> {
  const database = await testDatabase({ koji: version })
  cleanups.push(() => database.drop())
  const topdir = mkdtempSync(join(scratchHome(), 'koji-world-'))
  cleanups.push(() => rmSync(topdir, { recursive: true, force: true }))
  const heard: Announcement[] = []
  const world = await openWorld({ databaseUrl: database.url, topdir, announce: (a) => void heard.push(a) })
  cleanups.push(() => world.close())
  const hub = await startHub({ databaseUrl: database.url, version })
  cleanups.push(() => hub.close())
  const call = (method: string, ...params: Value[]) =>
    ask(hub.url, method, ...params) as Promise<Struct & Struct[]>
  return { world, hub, topdir, heard, call }
}

describe.each(kojiVersions)('a Koji %s that people work on', (version) => {
  it('takes every action, and its hub shows each', async () => {
    const { world, call } = await scene(version)
    await world.addUser('alice', { principal: 'alice@EXAMPLE.COM' })
    await world.addTag('base', { arches: 'x86_64', extra: { 'mock.size': 2 ** 40 } })
    await world.addTag('f43', { parent: 'base', perm: 'admin', locked: true })
    await world.editTag('f43', { arches: 'x86_64 s390x', locked: false })
    await world.setExtra('f43', 'repo.auto', true)
    await world.removeExtra('f43', 'repo.auto')
    await world.renameTag('f43', 'f43x')
    expect(await call('getTag', 'f43x')).toMatchObject({
      arches: 'x86_64 s390x',
      locked: false,
      perm: 'admin',
      extra: {},
    })
    expect((await call('getFullInheritance', 'f43x')).map((link) => link.name)).toEqual(['base'])

    await world.addGroup('f43x', 'build', { description: 'all' })
    await world.addGroup('f43x', 'extra')
    await world.addGroupPackage('f43x', 'build', 'bash')
    await world.addGroupPackage('f43x', 'build', 'zsh', { blocked: true })
    await world.addGroupReq('f43x', 'build', 'extra')
    const groups = await call('getTagGroups', 'f43x')
    expect(groups.find((group) => group.name === 'build')).toMatchObject({
      packagelist: [{ package: 'bash' }],
      grouplist: [{ name: 'extra' }],
    })

    await world.addExternalRepo('up', 'http://example.com/up')
    await world.editExternalRepo('up', { url: 'http://example.com/new/' })
    await world.addExternalRepoToTag('f43x', 'up', { priority: 5 })
    expect(await call('getTagExternalRepos', 'f43x')).toMatchObject([
      { url: 'http://example.com/new/', priority: 5 },
    ])
    await world.deleteExternalRepo('up')
    expect(await call('getTagExternalRepos', 'f43x')).toEqual([])

    await world.addTarget('f43-target', 'base', 'f43x')
    await world.editTarget('f43-target', { name: 'target' })
    expect(await call('getBuildTarget', 'target')).toMatchObject({
      build_tag_name: 'base',
      dest_tag_name: 'f43x',
    })

    await world.addPackage('f43x', 'bash', { owner: 'alice' })
    await world.addPackage('base', 'zsh')
    await world.blockPackage('f43x', 'zsh')
    const packages = await call('listPackages', keywords({ tagID: 'f43x', inherited: true }))
    expect(packages.map((row) => [row.package_name, row.blocked, row.owner_name])).toEqual([
      ['bash', false, 'alice'],
      ['zsh', true, 'admin'],
    ])

    const first = await world.importBuild({
      name: 'bash',
      version: '5',
      release: '1',
      rpms: [{ arch: 'src' }, { arch: 'x86_64' }],
    })
    const second = await world.importBuild({
      name: 'bash',
      version: '4',
      release: '1',
      epoch: 1,
      rpms: [{ arch: 'src' }],
    })
    await world.tagBuild('f43x', first.id)
    await world.tagBuild('f43x', second.nvr)
    const nvrs = async () => (await call('listTagged', 'f43x')).map((build) => build.nvr)
    expect(await nvrs()).toEqual(['bash-4-1', 'bash-5-1'])
    await world.retagBuild('f43x', first.id)
    expect(await nvrs()).toEqual(['bash-5-1', 'bash-4-1'])
    await world.untagBuild('f43x', second.id)
    expect(await nvrs()).toEqual(['bash-5-1'])

    await world.signRpm(first.rpms[0] as number, 'cafe0123')
    expect(
      (await call('queryRPMSigs', keywords({ rpm_id: first.rpms[0] as number }))).map((row) => row.sigkey),
    ).toEqual(['', 'cafe0123'])
    await world.deleteSig(first.rpms[0] as number, 'cafe0123')

    const started = await world.startBuild({ name: 'zsh', version: '1', release: '1' })
    await world.failBuild(started.id)
    await world.recycleBuild(started.id, { epoch: 3 })
    expect(await call('getBuild', started.id)).toMatchObject({ state: 0, epoch: 3, completion_time: null })
    await world.completeBuild(started.id, { rpms: [{ arch: 'noarch' }] })
    expect(await call('getBuildType', started.id)).toEqual({ rpm: null })
    await world.resetBuild(started.id)
    expect(await call('listRPMs', started.id)).toEqual([])
    await world.deleteBuild(first.id)
    expect(await nvrs()).toEqual([])
    expect(await call('getBuild', first.id)).toMatchObject({ state: 2 })
    await world.deleteTag('f43x')
    expect(await call('getTag', 'f43x')).toBeNull()
    const { id } = (await world.rows("SELECT id FROM tag WHERE name = 'f43x'"))[0] as { id: number }
    expect(await world.recreateTag('f43x')).toBe(id)
  })
})

it('makes typed and generated builds with the rows and files that Koji makes', async () => {
  const { world, call, topdir } = await scene()
  await world.addExternalRepo('other', 'http://example.com/')
  const outside = await world.addExternalRpm('other', {
    name: 'glibc',
    version: '2',
    release: '1',
    arch: 'x86_64',
  })
  const maven = await world.importBuild({
    name: 'org-lib',
    version: '1',
    release: '1',
    maven: { groupId: 'org.lib', artifactId: 'lib', version: '1' },
    archives: [
      {
        filename: 'lib-1.jar',
        type: 'jar',
        btype: 'maven',
        maven: { groupId: 'org.lib', artifactId: 'lib', version: '1' },
      },
    ],
  })
  const image = await world.importBuild({
    name: 'disk',
    version: '1',
    release: '1',
    image: true,
    cg: 'composer',
    volume: 'fast',
    extra: { typeinfo: { oci: { tags: ['a'] } } },
    archives: [
      {
        filename: 'disk.qcow2',
        type: 'qcow2',
        btype: 'image',
        image: { arch: 'x86_64' },
        rpmComponents: [outside],
      },
      { filename: 'x.json', type: 'json', btype: 'oci', subdir: 'meta', archiveComponents: maven.archives },
    ],
  })
  expect(await call('getBuildType', maven.id)).toEqual({
    maven: { build_id: maven.id, group_id: 'org.lib', artifact_id: 'lib', version: '1' },
  })
  expect(await call('getBuildType', image.id)).toEqual({
    image: { build_id: image.id },
    oci: { tags: ['a'] },
  })
  expect(await call('getBuild', image.id)).toMatchObject({ cg_name: 'composer', volume_name: 'fast' })
  expect(await call('listRPMs', keywords({ imageID: image.archives[0] as number }))).toMatchObject([
    { name: 'glibc', build_id: null, external_repo_name: 'other' },
  ])
  expect(await call('listArchives', keywords({ imageID: image.archives[1] as number }))).toMatchObject([
    { id: maven.archives[0] },
  ])
  expect(existsSync(join(topdir, 'packages/org-lib/1/1/maven/org/lib/lib/1/lib-1.jar'))).toBe(true)
  expect(existsSync(join(topdir, 'packages/org-lib/1/1/maven/org/lib/lib/1/lib-1.jar.sha1'))).toBe(true)
  const metadata = JSON.parse(readFileSync(join(topdir, 'vol/fast/packages/disk/1/1/metadata.json'), 'utf8'))
  expect(metadata.output[1]).toMatchObject({ filename: 'x.json', subdir: 'meta' })
  expect(existsSync(join(topdir, 'vol/fast/packages/disk/1/1/files/oci/meta/x.json'))).toBe(true)
  expect(readlinkSync(join(topdir, 'packages/disk/1/1'))).toBe('../../../vol/fast/packages/disk/1/1')
})

it('moves files and leaves links when a draft is promoted and a volume changes', async () => {
  const { world, call, topdir, heard } = await scene()
  const draft = await world.importBuild({
    name: 'kernel',
    version: '6',
    release: '1',
    draft: true,
    rpms: [{ arch: 'src' }],
  })
  expect(draft.nvr).toBe(`kernel-6-1,draft_${draft.id}`)
  await world.addTag('f43')
  await world.addPackage('f43', 'kernel')
  await world.tagBuild('f43', draft.id)
  const before = await call('tagLastChangeEvent', 'f43')
  await world.promoteBuild(draft.id)
  expect(await call('getBuild', 'kernel-6-1')).toMatchObject({
    id: draft.id,
    draft: false,
    promoter_name: 'admin',
  })
  expect(Number(await call('tagLastChangeEvent', 'f43'))).toBeGreaterThan(Number(before))
  expect(readlinkSync(join(topdir, `packages/kernel/6/1,draft_${draft.id}`))).toBe('1')
  expect(existsSync(join(topdir, 'packages/kernel/6/1/src/kernel-6-1.src.rpm'))).toBe(true)
  await world.changeVolume(draft.id, 'slow')
  expect(lstatSync(join(topdir, 'packages/kernel/6/1')).isSymbolicLink()).toBe(true)
  expect(existsSync(join(topdir, 'packages/kernel/6/1/data/sigcache/src/kernel-6-1.src.rpm.sig'))).toBe(true)
  await world.changeVolume(draft.id, 'DEFAULT')
  expect(lstatSync(join(topdir, 'packages/kernel/6/1')).isDirectory()).toBe(true)
  await world.deleteBuild(draft.id)
  expect(existsSync(join(topdir, 'packages/kernel/6/1'))).toBe(false)
  expect(heard.map((announcement) => announcement.topic)).toEqual([
    'build.state.change',
    'package.list.change',
    'tag',
    'build.promote',
    'build.state.change',
  ])
})

it('holds a transaction open whose event becomes visible late', async () => {
  const { world, call, heard } = await scene()
  await world.addTag('f43')
  await world.addPackage('f43', 'bash')
  const build = await world.importBuild({ name: 'bash', version: '5', release: '1' })
  heard.length = 0
  const late = await world.begin()
  await late.tagBuild('f43', build.id)
  const event = await late.event()
  await world.setExtra('f43', 'a', 1)
  expect(Number((await call('getLastEvent')).id)).toBeGreaterThan(event)
  expect(await call('listTagged', 'f43')).toEqual([])
  expect(heard).toEqual([])
  await late.commit()
  expect(await call('listTagged', 'f43')).toMatchObject([{ id: build.id, create_event: event }])
  expect(heard).toMatchObject([{ topic: 'tag', body: { tag: 'f43', name: 'bash' } }])
})

it('gives one event to what one transaction does together', async () => {
  const { world, call } = await scene()
  await world.together(async (actions) => {
    await actions.addTag('a')
    await actions.addTag('b', { parent: 'a' })
  })
  const history = await call('queryHistory', keywords({ tables: ['tag_config', 'tag_inheritance'] }))
  const events = Object.values(history).flatMap((rows) =>
    (rows as unknown as Struct[]).map((row) => row.create_event),
  )
  expect(new Set(events).size).toBe(1)
  expect(events).toHaveLength(3)
  await world.together(async (actions) => {
    await actions.addTag('c')
    actions.nextCall()
    await actions.editTag('c', { locked: true })
  })
  const { id } = (await call('getTag', 'c')) as unknown as { id: number }
  const rows = await world.rows('SELECT create_event FROM tag_config WHERE tag_id = $1', [id])
  expect(new Set(rows.map((row) => row.create_event)).size).toBe(2)
})
