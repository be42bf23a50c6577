import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unmetOf } from '../../src/converge/package.ts'
import { type KojiVersion, kojiVersions } from '../support/koji-schema.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

const some: readonly KojiVersion[] = kojiVersions.filter((version) => ['1.21.0', '1.35.0'].includes(version))

describe.each(some)('package entries of Koji %s', (version) => {
  let sync: TestSync
  let key: string
  beforeAll(async () => {
    sync = await TestSync.open({ version })
    await sync.prod.addTag('f43')
    await sync.prod.addUser('alice')
    await sync.prod.addUser('robot', { status: 1, usertype: 1, principal: 'robot@EXAMPLE.ORG' })
    await sync.sync(['tag/f43'])
    const id = await sync.prod.addPackage('f43', 'bash', { owner: 'alice' })
    key = `package/1/${id}`
  })
  afterAll(() => sync.close())
  const expectEqual = async (): Promise<void> => {
    const [ours, theirs] = [await snapshotTag(sync.local, 'f43'), await snapshotTag(sync.prod, 'f43')]
    expect(ours).toEqual(theirs)
  }

  it('are listed with owner and arches, blocked, unblocked, removed and listed again', async () => {
    const { prod } = sync
    const steps: (() => Promise<unknown>)[] = [
      async () => undefined,
      () => prod.addPackage('f43', 'bash', { extraArches: 'i686 armv7hl' }),
      () => prod.setOwner('f43', 'bash', 'robot'),
      () => prod.blockPackage('f43', 'bash'),
      () => prod.unblockPackage('f43', 'bash'),
      () => prod.addPackage('f43', 'bash', { owner: 'alice' }),
      () => prod.removePackage('f43', 'bash'),
    ]
    for (const step of steps) {
      await step()
      expect(await sync.one(key)).toMatchObject({ kind: 'applied' })
      await expectEqual()
      const before = await sync.fingerprint()
      expect(await sync.one(key)).toEqual({ kind: 'unchanged' })
      expect(await sync.fingerprint()).toEqual(before)
    }
  })

  it('bring users without their rights: name, type and status only', async () => {
    const [user] = await sync.local.rows(`select * from users where name = 'robot'`)
    expect(user).toMatchObject({ status: 1, usertype: 1, password: null })
    expect(await sync.local.rows('select * from user_krb_principals')).toEqual([])
  })

  it('wait for their tag, which comes along', async () => {
    await sync.prod.addTag('f44')
    const id = await sync.prod.addPackage('f44', 'zsh')
    const [{ tag } = {}] = await sync.prod.rows(`select id as tag from tag where name = 'f44'`)
    await sync.sync([`package/${tag}/${id}`])
    expect(await snapshotTag(sync.local, 'f44')).toEqual(await snapshotTag(sync.prod, 'f44'))
  })

  it('that people of staging changed are a clash by policy', async () => {
    const { prod, local } = sync
    const id = await prod.addPackage('f43', 'emacs', { owner: 'alice' })
    const emacs = `package/1/${id}`
    await sync.sync([emacs])
    await local.blockPackage('f43', 'emacs')
    const hold = { conflicts: { build: 'hold', tag: 'hold', onRemoved: 'hold' } as const }
    expect(await sync.one(emacs, hold)).toMatchObject({ kind: 'held' })
    expect(await sync.one(emacs)).toMatchObject({ kind: 'applied' })
    await expectEqual()
    await local.removePackage('f43', 'emacs')
    expect(await sync.one(emacs, hold)).toMatchObject({ kind: 'held' })
    await sync.sync([emacs])
    await expectEqual()
    await local.addPackage('f43', 'local-only')
    const [{ pkg } = {}] = await local.rows(`select id as pkg from package where name = 'local-only'`)
    const before = await sync.fingerprint()
    await sync.sync([`package/1/${pkg}`])
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('that go or get blocked stay where staging’s people tagged a build, by policy', async () => {
    const { prod, local } = sync
    const id = await prod.addPackage('f43', 'vim', { owner: 'alice' })
    const vim = `package/1/${id}`
    await sync.sync([vim])
    await local.importBuild({ name: 'vim', version: '9', release: '99', rpms: [{ arch: 'noarch' }] })
    await local.tagBuild('f43', 'vim-9-99')
    const entry = (): Promise<unknown[]> =>
      local.rows(
        `select l.blocked from tag_packages l join package p on p.id = l.package_id where l.active and p.name = 'vim'`,
      )
    await prod.blockPackage('f43', 'vim')
    for (const change of [
      async () => undefined,
      () => prod.unblockPackage('f43', 'vim'),
      () => prod.removePackage('f43', 'vim'),
    ]) {
      await change()
      await sync.one(vim)
      expect(await entry()).toEqual([{ blocked: false }])
    }
    expect(await sync.clashes(vim)).toMatchObject([{ kind: 'removed-in-prod', decision: 'held' }])
    await local.untagBuild('f43', 'vim-9-99')
    expect(await sync.one(vim)).toMatchObject({ kind: 'applied' })
    expect(await entry()).toEqual([])
    expect(await sync.clashes(vim)).toEqual([])

    await prod.addPackage('f43', 'vim', { owner: 'alice' })
    await sync.one(vim)
    await local.tagBuild('f43', 'vim-9-99')
    await prod.blockPackage('f43', 'vim')
    const wins = { conflicts: { build: 'hold', tag: 'prod-wins', onRemoved: 'prod-wins' } as const }
    expect(await sync.one(vim, wins)).toMatchObject({ kind: 'applied' })
    expect(await sync.clashes(vim)).toMatchObject([{ kind: 'removed-in-prod', decision: 'prod-won' }])
    // Blocked already: other changes hide nothing more.
    await prod.setOwner('f43', 'vim', 'robot')
    expect(await sync.one(vim)).toMatchObject({ kind: 'applied' })
    expect(await entry()).toEqual([{ blocked: true }])
  })
})

it.each([
  ['listed', ['none']],
  ['absent', ['unblocked', 'blocked']],
  ['blocked', ['none', 'unblocked']],
  ['unblocked', ['none', 'blocked']],
] as const)('what a message claims of an entry, %s, is not met by some that prod shows', (claim, unmet) => {
  const shown = { none: undefined, unblocked: { blocked: false }, blocked: { blocked: true } }
  const isUnmet = (row: object | undefined): boolean =>
    unmetOf([{ subject: 'listing', claim }], row as Parameters<typeof unmetOf>[1]).length > 0
  expect(Object.keys(shown).filter((name) => isUnmet(shown[name as keyof typeof shown]))).toEqual(unmet)
})
