import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { noStep, type Step } from '../../src/step.ts'
import { FarmPlacement } from '../../src/storage/farm-placement.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { failAt } from './placement-contract.ts'
import { aBuild, linksOf, makeTrees, namesOf, snapshot, type Trees } from './trees.ts'

let trees: Trees
beforeEach(() => {
  trees = makeTrees()
})
afterEach(() => trees.destroy())

const farm = (step: Step = noStep): FarmPlacement =>
  new FarmPlacement({
    prodTopdir: trees.prod,
    linkTarget: '/mnt/prod',
    stagingTopdir: trees.staging,
    fsync: false,
    step,
  })
const SIG = 'data/sigcache/cafe0001/x86_64/a.rpm.sig'
const COPY = 'data/signed/cafe0001/x86_64/a.rpm'
const HERE = 'vol/prod/packages/bash/5.2/1.fc43'
const here = (path: string): string => join(trees.staging, HERE, path)

/** A build of prod with a file of each kind. */
function aWholeBuild(build: PlacedBuild = aBuild()): string {
  const dir = trees.addBuild(build)
  for (const path of [SIG, COPY, 'data/logs/x86_64/build.log', 'metadata.json', 'files/module/sub/m.txt']) {
    mkdirSync(join(dir, path, '..'), { recursive: true })
    writeFileSync(join(dir, path), `${path} of prod`)
  }
  return dir
}

it('links the payload and the logs, copies signatures, and looks through its links where prod is mounted here', async () => {
  aWholeBuild()
  await farm().place(aBuild())
  const to = '/mnt/prod/packages/bash/5.2/1.fc43'
  expect(linksOf(join(trees.staging, HERE))).toEqual({
    'data/logs': `${to}/data/logs`,
    'files/module/sub/m.txt': `${to}/files/module/sub/m.txt`,
    'metadata.json': `${to}/metadata.json`,
    'x86_64/a.rpm': `${to}/x86_64/a.rpm`,
  })
  for (const path of [SIG, COPY]) expect(readFileSync(here(path), 'utf8')).toBe(`${path} of prod`)
  const file = (path: string, size: number | null) =>
    ({ kind: 'archive', path: path.split('/'), size, subdirectory: false, digest: null }) as never
  const files = [file('x86_64/a.rpm', 13), file('x86_64/b.rpm', 1), file('metadata.json', 3), file(SIG, null)]
  expect(await farm().inspect(aBuild({ files }))).toEqual([
    { path: 'x86_64/b.rpm', fault: 'missing' },
    { path: 'metadata.json', fault: 'other size' },
  ])
  expect(await farm().standsAlready({ ...aBuild(), volume: 'prod' })).toBe(false)
})

it('takes nothing of what leads out of prod, of FIFOs, and of names that Koji cannot have; names of 255 bytes it takes', async () => {
  const dir = aWholeBuild()
  writeFileSync(join(trees.home, 'secret'), 'secret')
  const long = `${'n'.repeat(251)}.rpm`
  writeFileSync(join(dir, 'x86_64', long), 'long')
  writeFileSync(join(dir, 'x86_64', 'new\nline.rpm'), 'x')
  execFileSync('mkfifo', [join(dir, 'x86_64/pipe.rpm'), join(dir, 'data/signed/cafe0001/x86_64/pipe.rpm')])
  symlinkSync(join(trees.home, 'secret'), join(dir, 'x86_64/out.rpm'))
  symlinkSync('../../../../../../secret', join(dir, 'data/signed/cafe0001/x86_64/out.rpm'))
  symlinkSync('a.rpm', join(dir, 'x86_64/within.rpm'))
  symlinkSync('/', join(dir, 'root'))
  writeFileSync(join(dir, 'data/signed/cafe0001/x86_64/tmpabc'), 'being written')
  await farm().place(aBuild())
  expect(namesOf(here('x86_64'))).toEqual(['a.rpm', long, 'within.rpm'])
  expect(namesOf(here('data/signed/cafe0001/x86_64'))).toEqual(['a.rpm'])
  expect(existsSync(here('root'))).toBe(false)
  expect(await farm().isPlaced(aBuild())).toBe(true)
})

it.each([
  ['x86_64', 'file.open'],
  ['x86_64', 'file.list'],
  ['data', 'file.open'],
  ['.', 'file.list'],
])("does not follow a directory (%j) of prod's that becomes a link at %s", async (name, verb) => {
  const dir = aWholeBuild()
  const elsewhere = join(trees.home, 'elsewhere')
  mkdirSync(elsewhere)
  writeFileSync(join(elsewhere, 'secret.rpm'), 'secret')
  let swapped = false
  const swap: Step = (step, detail) => {
    const path = String(detail?.path).replace(/\/\.$/, '')
    if (swapped || step !== verb || detail?.side !== 'prod' || path !== join(dir, name)) return undefined
    swapped = true
    renameSync(path, `${path}.away`)
    symlinkSync(elsewhere, path)
    return undefined
  }
  await farm(swap)
    .place(aBuild())
    .catch(() => {})
  expect(swapped).toBe(true)
  expect(namesOf(trees.staging).filter((path) => path.includes('secret'))).toEqual([])
})

it("a directory of staging's that becomes a link into prod is a clash: nothing is written or removed through it", async () => {
  const dir = aWholeBuild()
  await farm().place(aBuild())
  rmSync(here('data/signed/cafe0001/x86_64'), { recursive: true })
  symlinkSync(join(dir, 'x86_64'), here('data/signed/cafe0001/x86_64'))
  const before = snapshot(trees.prod)
  await expect(farm().place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
  await farm().remove(aBuild())
  expect(snapshot(trees.prod)).toEqual(before)
})

it('a file that changes while it is copied is none: tried again, and given back when it does not rest', async () => {
  const dir = aWholeBuild()
  let writes = 0
  const busy: Step = (step, detail) => {
    if (step !== 'file.pread' || detail?.side !== 'prod') return undefined
    writes += 1
    writeFileSync(join(dir, COPY), 'x'.repeat(writes + 100))
    return undefined
  }
  await expect(farm(busy).place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_RACE' })
  expect(writes).toBeGreaterThan(1)
  expect(existsSync(here(''))).toBe(false)
  await farm().place(aBuild())
  expect(readFileSync(here(COPY), 'utf8')).toHaveLength(writes + 100)
})

it("brings what prod adds and keeps what staging's hub added; an error in the middle leaves what was there", async () => {
  const dir = aWholeBuild()
  await farm().place(aBuild())
  writeFileSync(here('data/signed/cafe0001/x86_64/local.rpm'), 'of staging')
  writeFileSync(here(COPY), readFileSync(here(COPY)))
  expect(await farm().isPlaced(aBuild())).toBe(true)
  writeFileSync(join(dir, 'x86_64/b.rpm'), 'b')
  mkdirSync(join(dir, 'data/sigcache/cafe0002/x86_64'), { recursive: true })
  writeFileSync(join(dir, 'data/sigcache/cafe0002/x86_64/a.rpm.sig'), 'second')
  expect(await farm().isPlaced(aBuild())).toBe(false)
  const before = snapshot(trees.staging, { times: false })
  for (const verb of ['file.symlink', 'file.mkdir', 'file.create', 'file.pwrite', 'file.futimes']) {
    await expect(farm(failAt(verb, 'ENOSPC')).place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_DISK' })
    expect(snapshot(trees.staging, { times: false }), verb).toEqual(before)
  }
  await farm().place(aBuild())
  expect(await farm().isPlaced(aBuild())).toBe(true)
  expect(existsSync(here('data/signed/cafe0001/x86_64/local.rpm'))).toBe(true)
  rmSync(join(dir, 'x86_64/b.rpm'))
  expect(await farm().isPlaced(aBuild())).toBe(false)
  await farm().tidy(aBuild())
  expect(namesOf(here('x86_64'))).toEqual(['a.rpm'])
  expect(await farm().isPlaced(aBuild())).toBe(true)
})

it("a file of staging's in the place of a link is a clash, and stays when the build goes", async () => {
  aWholeBuild()
  await farm().place(aBuild())
  rmSync(here('x86_64/a.rpm'))
  writeFileSync(here('x86_64/a.rpm'), 'of staging')
  await expect(farm().place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
  expect(await farm().isPlaced(aBuild())).toBe(false)
  const { left } = await farm().remove(aBuild())
  expect(left).toContain(here('x86_64/a.rpm'))
  expect(namesOf(here('.'))).toEqual(['x86_64', 'x86_64/a.rpm'])
})
