import { mkdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AgainError, StopError } from '../../src/errors.ts'
import type { BuildFile } from '../../src/model/build-files.ts'
import { noStep, type Step } from '../../src/step.ts'
import { CopyGround } from '../../src/storage/copy-ground.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MANIFEST } from '../../src/storage/copy-manifest.ts'
import { Subdirectories } from '../../src/storage/copy-metadata.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement, type CopyPlacementOptions } from '../../src/storage/copy-placement.ts'
import { lackingBytes } from '../../src/storage/copy-room.ts'
import { proofOf, wantedFiles } from '../../src/storage/copy-wanted.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { archiveFile, put, putBuild } from './rpms.ts'
import { aBuild, makeTrees, namesOf, type Trees } from './trees.ts'

/** More than any disk here has, less than a file without blocks may be long. */
const HUGE = 10_000_000_000_000
const TAKE = { arches: null, signedKeys: [], sigcache: true, logs: true }

let trees: Trees
let source: string
let build: PlacedBuild
let files: BuildFile[]
beforeEach(() => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  rmSync(source, { recursive: true })
  files = putBuild(source).files
  build = aBuild({ stagingVolume: 'prod-copy', files })
})
afterEach(() => trees.destroy())

function options(step: Step = noStep): CopyPlacementOptions {
  return {
    source: new MountSource({ prodTopdir: trees.prod, step }),
    stagingTopdir: trees.staging,
    linkTarget: null,
    take: TAKE,
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 2 }),
    copier: new SteppedCopier(step),
    sharing: { reflink: false, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step,
  }
}

const NAMES = ['vol', 'prod-copy', 'packages', 'bash', '5.2', '1.fc43']
const target = (): string => join(trees.staging, ...NAMES)
const left = (): string[] => namesOf(trees.staging).filter((name) => /fc43|kss/.test(name))

/** An image, of zeros without blocks in staging. */
function hugeImage(): BuildFile {
  const image: BuildFile = { ...archiveFile(['images', 'huge.img'], Buffer.from('')), size: HUGE }
  truncateSync(put(target(), image.path, ''), HUGE)
  return image
}

it('what stands needs no room: only what lacks is counted', async () => {
  const image = hugeImage()
  const [wanted] = wantedFiles([image], TAKE)
  const entry = { proof: wanted === undefined ? '' : proofOf(wanted.expected), size: HUGE, mtime: 0 }
  const manifest = { format: 1, buildId: build.buildId, files: { 'images/huge.img': entry } }
  put(target(), [MANIFEST], JSON.stringify(manifest))
  const half = new CopyPlacement({ ...options(), reserveBytes: -HUGE / 2 })
  await half.place({ ...build, files: [...files, image] })
  expect(await half.isPlaced({ ...build, files: [...files, image] })).toBe(true)
})

it("nor does what a snapshot has, wherever a build's metadata says that it lies", async () => {
  const image = hugeImage()
  const nested = files.find(({ path }) => path.at(-1) === 'r.tar') as BuildFile
  const all = [image, nested]
  const bytes = await options().source.build({ ...build, volume: 'DEFAULT' })
  if (bytes === null) throw new Error('prod has the build')
  const writer = new CopyGround(options()).writer
  const lacking = () =>
    lackingBytes(
      writer,
      trees.staging,
      { ...build, volume: 'prod-copy' },
      wantedFiles(all, TAKE),
      new Subdirectories(bytes),
    )
  const size = 'in a sub-directory'.length
  expect(await lacking()).toBe(size)
  put(target(), ['files', 'remote-sources', 'deep', 'er', 'r.tar'], 'x'.repeat(size))
  expect(await lacking()).toBe(0)
  truncateSync(join(target(), 'images/huge.img'), HUGE - 1)
  expect(await lacking()).toBe(HUGE)
  rmSync(target(), { recursive: true })
  expect(await lacking()).toBe(HUGE + size)
  await bytes.close()
})

it('room is promised to what has still to come, and free again as it comes', async () => {
  const ground = new CopyGround({ ...options(), reserveBytes: -HUGE * 100 })
  const need = (part: number) => ground.withRoom(trees.staging, HUGE * part, async () => {})
  await ground.withRoom(trees.staging, HUGE * 90, async (onTaken) => {
    await expect(need(50)).rejects.toMatchObject({ code: 'STORAGE_NO_SPACE' })
    onTaken(HUGE * 80)
    await need(50)
    onTaken(HUGE * 80)
    await expect(need(150)).rejects.toMatchObject({ code: 'STORAGE_NO_SPACE' })
  })
  await need(90)
  await expect(need(150)).rejects.toMatchObject({ code: 'STORAGE_NO_SPACE' })
})

it('each file that comes frees what was promised to it', async () => {
  const seen: number[] = []
  class Watched extends CopyPlacement {
    override place(one: PlacedBuild): Promise<void> {
      const { ground } = this
      const plain = ground.withRoom.bind(ground)
      ground.withRoom = (root, bytes, work) => {
        seen.push(bytes)
        return plain(root, bytes, (onTaken) =>
          work((taken) => {
            seen.push(-taken)
            onTaken(taken)
          }),
        )
      }
      return super.place(one)
    }
  }
  const big = Buffer.alloc(3 * 1024 * 1024 + 5, 7)
  put(source, ['images', 'big.img'], big)
  const all = [
    archiveFile(['images', 'big.img'], big),
    archiveFile(['images', 'a.img'], Buffer.from('an image')),
  ]
  await new Watched(options()).place({ ...build, files: all })
  const taken = seen.filter((bytes) => bytes < 0)
  expect(seen[0]).toBe(big.length + 'an image'.length)
  expect(taken.length).toBeGreaterThan(4)
  expect(-taken.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThanOrEqual(seen[0] ?? 0)
})

it('a copy that is given up stops between two files, and nothing of it is left', async () => {
  for (const file of ['file.create', 'file.pwrite']) {
    const stop = new AbortController()
    let after = 0
    const step: Step = (name) => {
      if (stop.signal.aborted && name === 'file.create') after++
      if (name === file) stop.abort()
      return undefined
    }
    const error = await new CopyPlacement(options(step)).place(build, stop.signal).catch((e: unknown) => e)
    expect(error, file).toBeInstanceOf(StopError)
    // The files of one job of small ones are a thread's, which ends them.
    expect(after, file).toBeLessThan(files.length)
    expect(left(), file).toEqual([])
  }
})

it('one that waits for its share of bytes a second stops at once', async () => {
  const big = Buffer.alloc(3 * 1024 * 1024, 7)
  put(source, ['images', 'big.img'], big)
  const stop = new AbortController()
  const step: Step = (name) => {
    // Its first piece waits for a day.
    if (name === 'file.create') setImmediate(() => stop.abort())
    return undefined
  }
  const transfers = new Transfers({ bytesPerSecond: 10, openTransfers: 1 })
  const slow = new CopyPlacement({ ...options(step), transfers })
  const one = { ...build, files: [archiveFile(['images', 'big.img'], big)] }
  await expect(slow.place(one, stop.signal)).rejects.toBeInstanceOf(StopError)
  expect(left()).toEqual([])
})

it.each(['copy', 'volume'])(
  'a race that was lost is not run again for what is given up: %s',
  async (mode) => {
    const { VolumePlacement } = await import('../../src/storage/volume-placement.ts')
    const stop = new AbortController()
    let tries = 0
    const step: Step = (name) => {
      if (name !== 'file.mkdir') return undefined
      tries++
      stop.abort()
      throw new AgainError('STORAGE_RACE', 'somebody else works there')
    }
    mkdirSync(join(trees.staging, 'vol'))
    const links = { prodTopdir: trees.prod, linkTarget: trees.prod, stagingTopdir: trees.staging, step }
    const placement = mode === 'copy' ? new CopyPlacement(options(step)) : new VolumePlacement(links)
    await expect(placement.place(build, stop.signal)).rejects.toBeInstanceOf(StopError)
    expect(tries).toBe(1)
  },
)
