import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { stagingTree } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
  sync.priority = 'sweep'
  // It is mounted.
  await mkdir(join(sync.prodTopdir, 'packages', 'bash'), { recursive: true })
})
afterAll(() => sync.close())

/** Of no use as one component of a path. */
const UNSAFE = [
  '..',
  '.',
  '../../../../escaped',
  'a/b',
  '/etc/passwd',
  'a\nb',
  'a\u001b[2Jb',
  'x'.repeat(256),
  '',
]
/** Odd, and no more than names. */
const ODD = [
  '%s%n',
  '$(touch escaped)',
  "'; drop table build; --",
  '<b>&amp;',
  '__proto__',
  '-rf',
  '*',
  'ünï',
  '\u202eabc',
  '\\',
  'a b',
]

/** What prod's admin might have written, past every check of Koji's. */
const FIELDS = [
  [
    'package name',
    'update package set name = $2 where id = (select pkg_id from build where id = $1)',
    '(select name from package where id = pkg_id)',
  ],
  ['version', 'update build set version = $2 where id = $1', 'version'],
  ['release', 'update build set release = $2 where id = $1', 'release'],
] as const

it('names that are no file names are an error of their build; others are names', async () => {
  const { prod, local, stagingTopdir } = sync
  const outside = (): Promise<string[]> => readdir(join(stagingTopdir, '..'))
  const before = await outside()
  for (const [field, update, read] of FIELDS) {
    const build = await prod.importBuild({ name: `hostile ${field}`, version: '1', release: '1' })
    for (const name of [...UNSAFE, ...ODD]) {
      await prod.rows(update, [build.id, name])
      const tree = await stagingTree(sync)
      const ended = await sync.one(`build/${build.id}`)
      const why = `${field} ${JSON.stringify(name)}`
      const rows = await local.rows(`select ${read} as name from build b where id = $1`, [build.id])
      if (UNSAFE.includes(name)) {
        expect(ended, why).toMatchObject({ kind: 'failed', code: 'STORAGE_NAME_UNSAFE' })
        if (ended.kind === 'failed') expect(ended.reason, why).not.toMatch(/\p{Cc}/u)
        expect(rows, why).toEqual([])
        expect(await stagingTree(sync), why).toEqual(tree)
      } else {
        expect(ended, why).toMatchObject({ kind: 'applied' })
        expect(rows, why).toEqual([{ name }])
      }
    }
  }
  expect(await outside()).toEqual(before)
})

it('names of rpms, archives, tags and users are text, whatever it is', async () => {
  const { prod, local } = sync
  for (const [index, name] of [...UNSAFE.slice(0, 8), ...ODD.slice(0, 5)].entries()) {
    const tag = `tag${index}`
    await prod.addTag(tag, { arches: 'x86_64' })
    const build = await prod.importBuild({
      name: `parts${index}`,
      version: '1',
      release: '1',
      rpms: [{ arch: 'x86_64' }],
    })
    await prod.rows('update rpminfo set name = $2 where build_id = $1', [build.id, name.slice(0, 200)])
    await prod.rows('update tag set name = $2 where name = $1', [tag, name])
    const [row] = await prod.rows('select id from tag where name = $1', [name])
    const settings = await sync.sync([{ kind: 'tag', tagId: Number(row?.id) }])
    const ended = [...settings.values(), await sync.one(`build/${build.id}`)]
    for (const one of ended) {
      const isNamed = one.kind !== 'failed' || /^[A-Z]+_[A-Z_]+$/.test(one.code)
      expect(isNamed, JSON.stringify([name, one])).toBe(true)
    }
    const [found] = await local.rows('select name from tag where id = $1', [row?.id])
    expect(found?.name ?? name).toBe(name)
  }
})
