import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { noStep, type Step } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { InPlacePlacement } from '../../src/storage/in-place.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { put, putBuild } from './rpms.ts'
import { aBuild, makeTrees, type Trees } from './trees.ts'

let trees: Trees
let source: string
let target: string
let build: PlacedBuild
const RPM = 'x86_64/bash-5.2-1.fc43.x86_64.rpm'

beforeEach(() => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  rmSync(source, { recursive: true })
  build = aBuild({ stagingVolume: 'DEFAULT', files: putBuild(source).files })
  target = join(trees.staging, 'packages/bash/5.2/1.fc43')
})
afterEach(() => trees.destroy())

function placement(step: Step = noStep): InPlacePlacement {
  return new InPlacePlacement({
    source: new MountSource({ prodTopdir: trees.prod, step }),
    stagingTopdir: trees.staging,
    linkTarget: null,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 4 }),
    copier: new SteppedCopier(step),
    sharing: { reflink: true, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step,
  })
}

/** The snapshot holds the build as it is in prod. */
function snap(): void {
  mkdirSync(join(target, '..'), { recursive: true })
  cpSync(source, target, { recursive: true })
}

it('what the snapshot has is judged and kept, no byte of it is read from prod', async () => {
  snap()
  const before = statSync(join(target, RPM)).ino
  const read: string[] = []
  const step: Step = (name, detail) => {
    if (name === 'file.pread' && detail?.side === 'prod') read.push(String(detail.path))
    return undefined
  }
  await placement(step).place(build)
  expect(await placement().isPlaced(build)).toBe(true)
  expect(statSync(join(target, RPM)).ino).toBe(before)
  expect(read.map((path) => path.slice(source.length + 1))).toEqual(['metadata.json'])
})

it('what it lacks is fetched, what has other bytes is replaced', async () => {
  snap()
  rmSync(join(target, 'images'), { recursive: true })
  writeFileSync(join(target, RPM), 'of another day')
  await placement().place(build)
  for (const path of [RPM, 'images/a.img'])
    expect(readFileSync(join(target, path))).toEqual(readFileSync(join(source, path)))
  expect(await placement().inspect(build)).toEqual([])
})

it('a build younger than the snapshot comes whole', async () => {
  await placement().place(build)
  expect(readFileSync(join(target, RPM))).toEqual(readFileSync(join(source, RPM)))
  expect(existsSync(join(trees.staging, 'vol'))).toBe(false)
})

it('a build that prod deleted goes, and what staging added to it stays', async () => {
  snap()
  await placement().place(build)
  put(target, ['notes.txt'], 'own')
  const { left } = await placement().remove(build)
  expect(left).toContain(join(target, 'notes.txt'))
  expect(existsSync(join(target, RPM))).toBe(false)
  rmSync(target, { recursive: true })
  snap()
  await placement().place(build)
  expect(await placement().remove(build)).toEqual({ left: [] })
  expect(existsSync(join(trees.staging, 'packages/bash'))).toBe(false)
})

it('a build that cannot be judged right leaves the snapshot as it was', async () => {
  snap()
  writeFileSync(join(source, 'images/a.img'), 'an imagE')
  writeFileSync(join(target, 'images/a.img'), 'on disk!')
  await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_WRONG_DIGEST' })
  expect(readFileSync(join(target, 'images/a.img'), 'utf8')).toBe('on disk!')
  expect(await placement().isPlaced(build)).toBe(false)
})

it('a build that prod moves to another volume moves, there and back; its name leads to it at every step', async () => {
  snap()
  await placement().place(build)
  const attic = { ...build, prodVolume: 'attic', stagingVolume: 'attic', formerVolumes: ['DEFAULT'] }
  const there = join(trees.prod, 'vol/attic/packages/bash/5.2')
  mkdirSync(there, { recursive: true })
  renameSync(source, join(there, '1.fc43'))
  symlinkSync('../../../vol/attic/packages/bash/5.2/1.fc43', source)
  const moved = join(trees.staging, 'vol/attic/packages/bash/5.2/1.fc43')
  for (let again = 0; again < 2; again++) {
    await placement().place(attic)
    expect(await placement().isPlaced(attic)).toBe(true)
    expect(existsSync(join(target, RPM))).toBe(true)
  }
  for (let again = 0; again < 2; again++) expect(await placement().remove(build, attic)).toEqual({ left: [] })
  expect(readlinkSync(target)).toBe('../../../vol/attic/packages/bash/5.2/1.fc43')
  expect(existsSync(join(target, RPM))).toBe(true)
  const settled = { ...attic, formerVolumes: ['attic'] }
  expect(await placement().isPlaced(settled)).toBe(true)

  rmSync(source)
  renameSync(join(there, '1.fc43'), source)
  const back = { ...build, formerVolumes: ['attic'] }
  expect(await placement().isPlaced(back)).toBe(false)
  await placement().place(back)
  expect(lstatSync(target).isDirectory()).toBe(true)
  expect(await placement().remove(attic, back)).toEqual({ left: [] })
  expect(existsSync(moved)).toBe(false)
  expect(await placement().isPlaced({ ...build, formerVolumes: ['DEFAULT'] })).toBe(true)
})
