import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rewriteUrl } from '../../src/converge/rewrite.ts'
import { type KojiVersion, kojiVersions } from '../support/koji-schema.ts'
import { snapshotRepos, snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

const some: readonly KojiVersion[] = kojiVersions.filter((version) =>
  ['1.21.0', '1.35.0', 'HEAD'].includes(version),
)

describe.each(some)('external repos of Koji %s', (version) => {
  let sync: TestSync
  beforeAll(async () => {
    sync = await TestSync.open({ version })
  })
  afterAll(() => sync.close())
  const expectEqual = async (): Promise<void> => {
    expect(await snapshotRepos(sync.local)).toEqual(await snapshotRepos(sync.prod))
    expect(await sync.queued()).toEqual([])
  }

  it('are made, edited, swapped, deleted and made again', async () => {
    const { prod } = sync
    const a = await prod.addExternalRepo('a', 'https://example.org/a')
    const b = await prod.addExternalRepo('b', 'https://example.org/b')
    await sync.sync([`external-repo/${a}`, `external-repo/${b}`])
    await expectEqual()

    const before = await sync.fingerprint()
    expect(await sync.one(`external-repo/${a}`)).toEqual({ kind: 'unchanged' })
    expect(await sync.fingerprint()).toEqual(before)

    await prod.editExternalRepo(a, { name: 'c', url: 'https://example.org/c/' })
    await prod.editExternalRepo(b, { name: 'a' })
    await prod.editExternalRepo(a, { name: 'b' })
    await sync.sync([`external-repo/${b}`, `external-repo/${a}`])
    await expectEqual()

    await prod.deleteExternalRepo('a')
    await sync.sync(['external-repo/a'])
    await expectEqual()
    await prod.addExternalRepo('a', 'https://example.org/new/')
    await sync.sync(['external-repo/a'])
    await expectEqual()
    expect(await sync.local.rows('select id, name from external_repo order by id')).toEqual(
      await sync.prod.rows('select id, name from external_repo order by id'),
    )
  })

  it('that are deleted leave the tags that had them', async () => {
    const { prod, local } = sync
    await prod.addTag('user')
    await prod.addExternalRepoToTag('user', 'b', { priority: 3 })
    await sync.sync(['tag/user'])
    await prod.deleteExternalRepo('b')
    await sync.sync(['external-repo/b'])
    await expectEqual()
    expect(await snapshotTag(local, 'user')).toEqual(await snapshotTag(prod, 'user'))
    const before = await sync.fingerprint()
    await sync.sync(['tag/user'])
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('INTERNAL is nobody’s', async () => {
    expect(await sync.one('external-repo/0')).toMatchObject({ kind: 'skipped' })
    expect(await sync.one('external-repo/4711')).toEqual({
      kind: 'skipped',
      reason: 'prod has no such external repo',
    })
  })
})

describe('external repos and the configuration', () => {
  let sync: TestSync
  beforeAll(async () => {
    sync = await TestSync.open()
  })
  afterAll(() => sync.close())

  it('get the URLs of the rules, and follow when the rules change', async () => {
    const id = await sync.prod.addExternalRepo('pkgs', 'https://kojipkgs.example.org/repos/x/')
    const externalRepoRewrite = [
      { match: '^https://kojipkgs\\.example\\.org/(\\w+)/', replace: 'https://stg.example.org/$1/' },
      { match: 'example', replace: 'never' },
    ]
    await sync.sync([`external-repo/${id}`], { externalRepoRewrite })
    expect(await snapshotRepos(sync.local)).toEqual([
      { name: 'pkgs', url: 'https://stg.example.org/repos/x/' },
    ])
    expect(await sync.one(`external-repo/${id}`, { externalRepoRewrite })).toEqual({ kind: 'unchanged' })
    await sync.sync([`external-repo/${id}`])
    expect(await snapshotRepos(sync.local)).toEqual(await snapshotRepos(sync.prod))
  })

  it('a repo that prod deleted and a tag of staging’s own uses stays, until it is allowed to go', async () => {
    const { prod, local } = sync
    const id = await prod.addExternalRepo('used', 'https://example.org/used/')
    await sync.sync([`external-repo/${id}`])
    await local.addTag('mine')
    await local.addExternalRepoToTag('mine', 'used', { priority: 1 })
    await prod.deleteExternalRepo('used')
    expect(await sync.one(`external-repo/${id}`)).toMatchObject({ kind: 'held' })
    expect((await snapshotRepos(local)).map((row) => row.name)).toContain('used')
    const conflicts = { build: 'hold', tag: 'prod-wins', onRemoved: 'prod-wins' } as const
    expect(await sync.one(`external-repo/${id}`, { conflicts })).toMatchObject({ kind: 'applied', rows: 2 })
    expect((await snapshotTag(local, 'mine'))?.tag_external_repos).toEqual([])
  })

  it('a repo of staging’s own of that name is taken over, its URL is a clash', async () => {
    const { prod, local } = sync
    await local.addExternalRepo('both', 'https://staging.example.org/')
    const id = await prod.addExternalRepo('both', 'https://example.org/both/')
    const hold = { conflicts: { build: 'hold', tag: 'hold', onRemoved: 'hold' } as const }
    expect(await sync.one(`external-repo/${id}`, hold)).toMatchObject({ kind: 'held' })
    expect((await snapshotRepos(local)).find((row) => row.name === 'both')?.url).toBe(
      'https://staging.example.org/',
    )
    await sync.sync([`external-repo/${id}`])
    expect((await snapshotRepos(local)).find((row) => row.name === 'both')?.url).toBe(
      'https://example.org/both/',
    )
  })
})

describe('the rewriting of URLs', () => {
  it('is that of the first rule that is found in the URL, once', () => {
    const rules = [
      { match: 'b+', replace: '[$&]' },
      { match: 'a', replace: 'x' },
    ]
    expect(rewriteUrl('abbab', rules)).toBe('a[bb]ab')
    expect(rewriteUrl('aa', rules)).toBe('xa')
    expect(rewriteUrl('cc', rules)).toBe('cc')
    expect(rewriteUrl('cc', [])).toBe('cc')
  })
})
