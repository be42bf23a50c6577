import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ConflictPolicy } from '../../src/config/config.ts'
import { Scope } from '../../src/converge/scope.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open()
})
afterAll(() => sync.close())

const idOf = async (name: string): Promise<number> => {
  const [row] = await sync.prod.rows('select id from tag where name = $1', [name])
  return Number(row?.id)
}
const both = async (name: string) => [await snapshotTag(sync.local, name), await snapshotTag(sync.prod, name)]

const policies = ['prod-wins', 'local-wins', 'hold'] as const
const ending = { 'prod-wins': 'applied', 'local-wins': 'unchanged', hold: 'held' } as const
const decision = { 'prod-wins': 'prod-won', 'local-wins': 'local-won', hold: 'held' } as const
const withPolicy = (tag: ConflictPolicy) => ({
  conflicts: { build: 'hold', tag, onRemoved: 'hold' } as const,
})

describe.each(policies)('what people of staging did to a tag of prod, under %s', (policy) => {
  const name = `edited-${policy}`
  const change = withPolicy(policy)
  let key: string
  beforeAll(async () => {
    const { prod } = sync
    await prod.addTag(name, { arches: 'x86_64', extra: { a: 1, b: 2 } })
    await prod.addTag(`${name}-parent`)
    await prod.setInheritance(name, [{ parent: `${name}-parent`, priority: 0 }])
    key = `tag/${await idOf(name)}`
    await sync.sync([key], change)
  })

  it('an edited row is a clash', async () => {
    await sync.local.editTag(name, { arches: 'ppc64le' })
    expect(await sync.one(key, change)).toMatchObject({ kind: ending[policy] })
    const [local] = await both(name)
    expect(local?.tag_config?.[0]?.arches).toBe(policy === 'prod-wins' ? 'x86_64' : 'ppc64le')
    expect(await sync.clashes(key)).toMatchObject(
      // What prod won is history at once.
      [{ kind: 'edited', decision: decision[policy] }],
    )
  })

  it('a removed row is a clash', async () => {
    await sync.local.removeExtra(name, 'a')
    await sync.sync([key], change)
    const [local] = await both(name)
    expect(local?.tag_extra?.map((row) => row.key)).toEqual(policy === 'prod-wins' ? ['a', 'b'] : ['b'])
  })

  it('what prod then changes itself is applied all the same', async () => {
    await sync.prod.setExtra(name, 'a', 3)
    await sync.prod.setExtra(name, 'b', 4)
    await sync.sync([key], change)
    const [local] = await both(name)
    expect(local?.tag_extra).toEqual([
      { key: 'a', value: '3' },
      { key: 'b', value: '4' },
    ])
  })

  it('additions stay, and are no clash', async () => {
    await sync.local.addTag(`${name}-added`)
    await sync.local.setExtra(name, 'mine', true)
    await sync.local.rows(
      `insert into tag_inheritance (tag_id, parent_id, priority, intransitive, noconfig, creator_id)
         select t.id, p.id, 50, false, false, u.id from tag t, tag p, users u
          where t.name = $1 and p.name = $2 and u.name = 'local'`,
      [name, `${name}-added`],
    )
    await sync.prod.editTag(name, { locked: true })
    await sync.sync([key], change)
    const [local] = await both(name)
    expect(local?.tag_extra?.map((row) => row.key)).toEqual(['a', 'b', 'mine'])
    expect(local?.tag_inheritance).toHaveLength(2)
    const kinds = (await sync.clashes(key)).map((clash) => clash.kind)
    expect(kinds).toEqual(policy === 'prod-wins' ? [] : ['edited'])
  })

  it('a priority that is taken here is a clash', async () => {
    await sync.prod.addTag(`${name}-second`)
    await sync.prod.setInheritance(name, [
      { parent: `${name}-parent`, priority: 0 },
      { parent: `${name}-second`, priority: 50 },
    ])
    await sync.sync([key], change)
    const [local] = await both(name)
    const at50 = local?.tag_inheritance?.find((row) => row.priority === 50)
    expect(at50?.parent).toBe(policy === 'prod-wins' ? `${name}-second` : `${name}-added`)
  })

  it('a tag that was renamed here is a clash, and follows prod’s next settings under its name', async () => {
    await sync.local.renameTag(name, `${name}-ours`)
    await sync.prod.setExtra(name, 'b', 5)
    expect(await sync.one(key, change)).toMatchObject({ kind: policy === 'hold' ? 'held' : 'applied' })
    const now = policy === 'prod-wins' ? name : `${name}-ours`
    const local = await snapshotTag(sync.local, now)
    expect(local?.tag_extra?.find((row) => row.key === 'b')?.value).toBe('5')
  })
})

describe('names that both sides use', () => {
  it('a local tag of the same name is taken over where it is equal, and its content comes along', async () => {
    const { prod, local } = sync
    await local.addTag('same', { arches: 'x86_64' })
    await prod.addTag('same', { arches: 'x86_64' })
    await prod.addPackage('same', 'bash')
    const before = await local.rows(
      `select xmin::text, * from tag_config where tag_id = (select id from tag where name = 'same')`,
    )
    await sync.sync([`tag/${await idOf('same')}`])
    const [ours, theirs] = await both('same')
    expect(ours).toEqual(theirs)
    const after = await local.rows(
      `select xmin::text, * from tag_config where tag_id = (select id from tag where name = 'same')`,
    )
    expect(after).toEqual(before)
  })

  it('a rename to the name of a local tag is held under every policy, the settings go on', async () => {
    const { prod, local } = sync
    await local.addTag('precious', { arches: 'x86_64' })
    await prod.addTag('plain')
    const key = `tag/${await idOf('plain')}`
    await sync.sync([key])
    await prod.renameTag('plain', 'precious')
    await prod.setExtra('precious', 'a', 1)
    expect(await sync.one(key)).toMatchObject({ kind: 'held', rows: 1 })
    expect(await sync.clashes(key)).toMatchObject([
      { subject: 'tag name', kind: 'name', decision: 'held', prod: { name: 'precious' } },
    ])
    expect((await snapshotTag(local, 'plain'))?.tag_extra).toEqual([{ key: 'a', value: '1' }])
    await local.renameTag('precious', 'moved-away')
    expect(await sync.one(key)).toMatchObject({ kind: 'applied' })
    expect(await sync.clashes(key)).toEqual([])
    const [ours, theirs] = await both('precious')
    expect(ours).toEqual(theirs)
  })

  it('a rename to a name that people of staging gave another tag of prod is held, unless prod wins', async () => {
    const { prod, local } = sync
    const a = await prod.addTag('held-a')
    await prod.addTag('held-b')
    await sync.sync(['tag/held-a', 'tag/held-b'])
    await local.renameTag('held-b', 'held-c')
    await prod.renameTag('held-a', 'held-c')
    expect(await sync.one(`tag/${a}`, withPolicy('local-wins'))).toMatchObject({ kind: 'held' })
    expect(await snapshotTag(local, 'held-a')).not.toBe(null)
    await sync.sync([`tag/${a}`])
    for (const name of ['held-b', 'held-c']) {
      const [ours, theirs] = await both(name)
      expect(ours).toEqual(theirs)
    }
    expect(await snapshotTag(local, 'held-a')).toBe(null)
  })

  it('a name that was freed by a rename and then deleted is free here too', async () => {
    const { prod } = sync
    await prod.addTag('first')
    const first = await idOf('first')
    await sync.sync([`tag/${first}`])
    await prod.renameTag('first', 'second')
    await prod.deleteTag('second')
    await prod.addTag('first', { arches: 'i686' })
    const again = await idOf('first')
    expect(again).not.toBe(first)
    await sync.sync([`tag/${again}`])
    const [ours, theirs] = await both('first')
    expect(ours).toEqual(theirs)
    expect((await snapshotTag(sync.local, 'second'))?.tag_config).toEqual([])
  })
})

describe('a tag that prod deleted and staging uses', () => {
  const uses: [string, (name: string) => Promise<void>][] = [
    [
      'a child of staging’s own',
      async (name) => void (await sync.local.addTag(`${name}-child`, { parent: name })),
    ],
    [
      'a target of staging’s own',
      async (name) => void (await sync.local.addTarget(`${name}-target`, name, name)),
    ],
    ['a package listed here', async (name) => void (await sync.local.addPackage(name, 'mine'))],
    ['an edited setting', async (name) => sync.local.setExtra(name, 'mine', 1)],
  ]
  it.each(uses)('stays whole and is reported, until it is allowed to go: %s', async (what, use) => {
    const name = `used-${what.replaceAll(/[^a-z]+/g, '-')}`
    await sync.prod.addTag(name, { extra: { a: 1 } })
    const key = `tag/${await idOf(name)}`
    await sync.sync([key])
    await use(name)
    await sync.prod.deleteTag(name)
    const before = await sync.fingerprint()
    expect(await sync.one(key)).toMatchObject({ kind: 'held' })
    expect(await sync.fingerprint()).toEqual(before)
    expect(await sync.clashes(key)).toMatchObject([{ kind: 'removed-in-prod', decision: 'held' }])

    const change = { conflicts: { build: 'hold', tag: 'prod-wins', onRemoved: 'prod-wins' } as const }
    expect(await sync.one(key, change)).toMatchObject({ kind: 'applied' })
    const [ours, theirs] = await both(name)
    expect(ours).toEqual(theirs)
    const [{ left } = {}] = await sync.local.rows(
      `select (select count(*) from tag_inheritance where parent_id = t.id and active)
            + (select count(*) from build_target_config where build_tag = t.id and active) as left from tag t where name = $1`,
      [name],
    )
    expect(Number(left)).toBe(0)
  })
})

describe('scope', () => {
  it('leaves out what no pattern names, and keeps as it is what it named once', async () => {
    await sync.prod.addTag('inside')
    const key = `tag/${await idOf('inside')}`
    const scope = new Scope({ tags: ['nothing*'], excludeTags: [], builds: 'tagged', sideTags: false })
    expect(await sync.one(key, { scope })).toEqual({ kind: 'skipped', reason: 'tag inside is out of scope' })
    expect(await snapshotTag(sync.local, 'inside')).toBe(null)
    await sync.sync([key])
    await sync.prod.setExtra('inside', 'a', 1)
    const before = await sync.fingerprint()
    const id = await sync.prod.addPackage('inside', 'bash')
    const tag = await idOf('inside')
    const keys = [key, `package/${tag}/${id}`, `tagged/${tag}/${id}`]
    const frozen = { kind: 'skipped', reason: 'tag inside is out of scope: staging keeps it as it is' }
    for (const [name, ended] of await sync.sync(keys, { scope })) expect(ended, name).toEqual(frozen)
    await sync.prod.deleteTag('inside')
    expect(await sync.one(key, { scope })).toEqual(frozen)
    expect(await sync.fingerprint()).toEqual(before)
  })

  it('gives a side tag to the same user that has it in prod', async () => {
    const { prod, local } = sync
    const prodUser = await prod.addUser('sider')
    await local.addUser('other')
    const id = await prod.addTag('side', {
      extra: { sidetag: true, sidetag_user: 'sider', sidetag_user_id: prodUser },
    })
    expect(await sync.one(`tag/${id}`)).toMatchObject({ kind: 'skipped' })
    const scope = new Scope({ tags: ['*'], excludeTags: [], builds: 'tagged', sideTags: true })
    await sync.sync([`tag/${id}`], { scope })
    const [user] = await local.rows(`select id from users where name = 'sider'`)
    const extra = (await snapshotTag(local, 'side'))?.tag_extra
    expect(extra?.find((row) => row.key === 'sidetag_user_id')?.value).toBe(String(user?.id))
    const before = await sync.fingerprint()
    await sync.sync([`tag/${id}`], { scope })
    expect(await sync.fingerprint()).toEqual(before)
  })
})

describe('rules of the configuration', () => {
  it('are what equality means: arches that are kept, extra that is set and left out', async () => {
    const { prod, local } = sync
    const tagRewrite = [
      { tags: ['ruled*'], arches: ['x86_64', 'aarch64'], extra: { 'repo.auto': false, gone: null } },
      { tags: ['*-build'], arches: null, extra: { list: [1, 0.5, { ä: 'x' }] } },
    ]
    const id = await prod.addTag('ruled-build', {
      arches: 'x86_64 s390x aarch64',
      extra: { 'repo.auto': true, gone: 1, kept: 2 },
    })
    await sync.sync([`tag/${id}`])
    expect((await snapshotTag(local, 'ruled-build'))?.tag_config?.[0]?.arches).toBe('x86_64 s390x aarch64')
    expect(await sync.one(`tag/${id}`, { tagRewrite })).toMatchObject({ kind: 'applied' })
    const now = await snapshotTag(local, 'ruled-build')
    expect(now?.tag_config?.[0]?.arches).toBe('x86_64 aarch64')
    expect(now?.tag_extra).toEqual([
      { key: 'kept', value: '2' },
      { key: 'list', value: '[1, 0.5, {"\\u00e4": "x"}]' },
      { key: 'repo.auto', value: 'false' },
    ])
    const before = await sync.fingerprint()
    expect(await sync.one(`tag/${id}`, { tagRewrite })).toEqual({ kind: 'unchanged' })
    expect(await sync.fingerprint()).toEqual(before)
    // What a rule takes away is no inferred removal: it spends no budget.
    const spent = await local.rows('select * from staging_sync.removal')
    expect(spent).toEqual([])
  })
})
