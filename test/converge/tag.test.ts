import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compareHubs, describeDifference } from '../sim/compare.ts'
import { startHub } from '../sim/hub.ts'
import { type KojiVersion, kojiVersions } from '../support/koji-schema.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

const has = (version: KojiVersion, since: string): boolean =>
  version === 'HEAD' || version.localeCompare(since, undefined, { numeric: true }) >= 0

describe.each(kojiVersions)('tags of Koji %s', (version) => {
  let sync: TestSync
  beforeAll(async () => {
    sync = await TestSync.open({ version, scope: { tags: ['*'], excludeTags: ['*-private'] } })
  })
  afterAll(() => sync.close())

  const converge = async (name: string): Promise<number> => {
    const id = await idOf(name)
    await sync.sync([`tag/${id}`])
    return id
  }
  const idOf = async (name: string): Promise<number> => {
    const [row] = await sync.prod.rows('select id from tag where name = $1', [name])
    return Number(row?.id)
  }
  const expectEqual = async (...names: string[]): Promise<void> => {
    for (const name of names) {
      expect(await snapshotTag(sync.local, name), name).toEqual(await snapshotTag(sync.prod, name))
    }
    expect(await sync.queued()).toEqual([])
  }

  it('are made with all their settings, and what they need comes along', async () => {
    const { prod } = sync
    await prod.addPermission('image')
    await prod.addTag('dist', { arches: 'x86_64' })
    await prod.addTag('base-private', { parent: 'dist' })
    await prod.addTag('full', {
      arches: 'x86_64 aarch64',
      perm: 'image',
      locked: true,
      mavenSupport: true,
      mavenIncludeAll: true,
      extra: { 'mock.new_chroot': 1, 'rpm.macros': { a: [1, 'ü'] } },
    })
    await prod.addTag('other')
    await prod.setInheritance('full', [
      {
        parent: 'base-private',
        priority: 5,
        maxdepth: 3,
        intransitive: true,
        noconfig: true,
        filter: '^bash',
      },
      { parent: 'other', priority: 10 },
    ])
    await prod.addExternalRepo('epel', 'https://example.org/epel/$arch/')
    const repo = { priority: 7, mergeMode: 'bare', ...(has(version, '1.24.0') ? { arches: 'x86_64' } : {}) }
    await prod.addExternalRepoToTag('full', 'epel', repo)
    await prod.addGroup('full', 'build', {
      displayName: 'Build',
      description: 'what builds need',
      isDefault: true,
    })
    await prod.addGroup('full', 'srpm-build', { langonly: 'de', exported: false, uservisible: false })
    await prod.addGroup('full', 'gone', { blocked: true })
    await prod.addGroupPackage('full', 'build', 'bash', { type: 'mandatory' })
    await prod.addGroupPackage('full', 'build', 'emacs', { blocked: true, requires: 'x', basearchonly: true })
    await prod.addGroupPackage('full', 'gone', 'hidden', {})
    await prod.addGroupReq('full', 'srpm-build', 'build', { isMetapkg: true })
    await prod.addGroupReq('full', 'build', 'elsewhere', { blocked: true })
    if (has(version, '1.23.0')) await prod.blockExtra('full', 'mock.package_manager')

    await converge('full')
    await expectEqual('full', 'base-private', 'dist', 'other')
  })

  it('that are equal are converged without a lock, a row version or an event', async () => {
    const before = await sync.fingerprint()
    const locks: string[] = []
    sync.onStep = (name) => {
      if (name.includes('.lock') || name.endsWith('.begin')) locks.push(name)
      return undefined
    }
    const id = await idOf('full')
    expect(await sync.one(`tag/${id}`)).toEqual({ kind: 'unchanged' })
    sync.onStep = () => undefined
    expect(locks.filter((name) => !name.startsWith('sql.queue'))).toEqual([])
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('follow edits: one event of their own for each of prod, in the same order', async () => {
    const { prod, local } = sync
    const [{ max } = {}] = await local.rows('select max(id) from events')
    await prod.editTag('full', { arches: 'x86_64', perm: null, locked: false, mavenSupport: false })
    await prod.setExtra('full', 'rpm.macros', { a: [2] })
    await prod.removeExtra('full', 'mock.new_chroot')
    await prod.setInheritance('full', [
      { parent: 'other', priority: 5, maxdepth: 0 },
      { parent: 'base-private', priority: 10 },
    ])
    await prod.removeGroup('full', 'srpm-build')
    await prod.addGroup('full', 'gone', { blocked: false })
    await prod.removeGroupPackage('full', 'build', 'emacs')
    await prod.removeGroupReq('full', 'build', 'elsewhere')
    await prod.addExternalRepo('extras', 'https://example.org/extras/')
    await prod.addExternalRepoToTag('full', 'extras', { priority: 1 })
    await prod.addExternalRepoToTag('full', 'epel', { priority: 2 })
    await converge('full')
    await expectEqual('full')

    const events = 'select count(*)::int as n from events where id > $1'
    const [{ n } = {}] = await local.rows(events, [max])
    // 10 edits of the tag's own (the new repo's one is its own key's).
    expect(n).toBe(11)
    const order = await local.rows(
      `select 'config' as what, create_event as event from tag_config where tag_id = (select id from tag where name = 'full') and active
       union all select 'extra', create_event from tag_extra where key = 'rpm.macros' and active
       union all select 'inheritance', min(create_event) from tag_inheritance where tag_id = (select id from tag where name = 'full') and active
       union all select 'group', max(create_event) from group_config where active and tag_id = (select id from tag where name = 'full')
       order by event`,
    )
    expect(order.map((row) => row.what)).toEqual(['config', 'extra', 'inheritance', 'group'])
  })

  it('bring their packages and builds along when staging first gets them', async () => {
    const { prod } = sync
    await prod.addTag('content')
    await prod.addUser('alice')
    await prod.addPackage('content', 'bash', { owner: 'alice', extraArches: 'i686' })
    await prod.addPackage('content', 'zsh')
    await prod.blockPackage('content', 'emacs')
    const old = await prod.importBuild({
      name: 'bash',
      version: '5.1',
      release: '1',
      rpms: [{ arch: 'noarch' }],
    })
    const young = await prod.importBuild({
      name: 'bash',
      version: '5.2',
      release: '1',
      rpms: [{ arch: 'noarch' }],
    })
    const stray = await prod.importBuild({
      name: 'stray',
      version: '1',
      release: '1',
      rpms: [{ arch: 'noarch' }],
    })
    await prod.tagBuild('content', young.id)
    await prod.tagBuild('content', old.id)
    await prod.tagBuild('content', stray.id)
    await converge('content')
    await expectEqual('content')
  })

  it('are renamed, also when names go in a circle, in one transaction and without touching anything else', async () => {
    const { prod, local } = sync
    const ids: number[] = []
    for (const name of ['one', 'two', 'three']) ids.push(await prod.addTag(name, { extra: { was: name } }))
    await sync.sync(ids.map((id) => `tag/${id}`))
    const [, second] = ids
    await prod.renameTag('one', 'spare')
    await prod.renameTag('three', 'one')
    await prod.renameTag('two', 'three')
    await prod.renameTag('spare', 'two')
    const seen = new Set<string>()
    sync.onStep = async (name) => {
      if (!name.endsWith('.begin')) return
      for (const row of await local.rows('select name from tag')) seen.add(String(row.name))
    }
    const before = await sync.fingerprint()
    await sync.sync([`tag/${second}`])
    sync.onStep = () => undefined
    await expectEqual('one', 'two', 'three')
    expect([...seen].filter((name) => name.includes('renaming'))).toEqual([])
    const after = await sync.fingerprint()
    expect(Object.keys(after).filter((table) => after[table] !== before[table])).toEqual(['tag'])
  })

  it('that are deleted end with all that belongs to them, their children’s links and their targets', async () => {
    const { prod, local } = sync
    await prod.addTarget('content', 'content', 'content')
    await prod.addTag('child', { parent: 'content' })
    await sync.sync(['target/content', 'tag/child'])
    await expectEqual('child')
    const [{ max } = {}] = await local.rows('select max(id) from events')
    await prod.deleteTag('content')
    await converge('content')
    await expectEqual('content', 'child')
    const [{ n } = {}] = await local.rows('select count(*)::int as n from events where id > $1', [max])
    expect(n).toBe(1)
    const [{ targets } = {}] = await local.rows(
      `select count(*)::int as targets from build_target_config where active
         and build_tag = (select id from tag where name = 'content')`,
    )
    expect(targets).toBe(0)
    expect(await sync.one(`tag/${await idOf('content')}`)).toEqual({ kind: 'unchanged' })
  })

  it('that come again have their id again, and their content', async () => {
    const { prod, local } = sync
    const [{ id } = {}] = await local.rows(`select id from tag where name = 'content'`)
    await prod.recreateTag('content', { arches: 's390x' })
    await prod.addPackage('content', 'bash')
    await prod.tagBuild('content', 'bash-5.1-1')
    await converge('content')
    await expectEqual('content')
    expect(await local.rows(`select id from tag where name = 'content'`)).toEqual([{ id }])
  })

  it('that inherit from each other in a circle come all the same', async () => {
    const { prod } = sync
    await prod.addTag('round-a')
    await prod.addTag('round-b', { parent: 'round-a' })
    await prod.setInheritance('round-a', [{ parent: 'round-b', priority: 0 }])
    await converge('round-a')
    await expectEqual('round-a', 'round-b')
  })

  it('are shown by both hubs alike', async () => {
    const hub = await startHub({ databaseUrl: sync.stagingUrl, version })
    const { differences } = await compareHubs({
      prod: sync.hub.url,
      staging: hub.url,
      tags: ['full', 'base-private', 'dist', 'other', 'content', 'one', 'two', 'three', 'child', 'round-a'],
    })
    await hub.close()
    expect(differences.map(describeDifference)).toEqual([])
  })

  it('that nobody ever had are skipped', async () => {
    expect(await sync.one('tag/4711')).toEqual({ kind: 'skipped', reason: 'prod has no such tag' })
  })
})
