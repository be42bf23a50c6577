import { createHash, randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KeyError, StopError } from '../../src/errors.ts'
import { noStep, type Step } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { type Copier, SteppedCopier, ThreadCrew } from '../../src/storage/crew.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { newStop, type PumpJob, pump } from '../../src/storage/pump.ts'
import { driveSteps } from '../../src/storage/system-calls.ts'
import { UNKNOWN } from '../../src/storage/verify-bytes.ts'
import { startSourceThread } from '../support/source-thread.ts'
import { put } from './rpms.ts'
import { aBuild, makeTrees, namesOf, type Trees } from './trees.ts'

const NAME = ['images', 'disk.img'] as const
/** one for the file, as a daemon has one */
const crew = new ThreadCrew(1, startSourceThread)

let trees: Trees
let source: string
let bytes: Buffer
let build: PlacedBuild

beforeEach(() => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  bytes = randomBytes(3 * 1024 * 1024 + 17)
  utimesSync(put(source, NAME, bytes), 1_500_000_000, 1_500_000_000)
  build = imageBuild(bytes)
})
afterEach(() => trees.destroy())

function imageBuild(of: Buffer): PlacedBuild {
  const digest = { type: 'sha256' as const, hex: createHash('sha256').update(of).digest('hex') }
  const file = { kind: 'archive' as const, path: [...NAME], size: of.length, subdirectory: false, digest }
  return aBuild({ stagingVolume: 'prod-copy', files: [file] })
}

function placement(copier: Copier, step: Step = noStep): CopyPlacement {
  return new CopyPlacement({
    source: new MountSource({ prodTopdir: trees.prod, step }),
    stagingTopdir: trees.staging,
    linkTarget: trees.prod,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 8 }),
    copier,
    sharing: { reflink: false, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o640,
    step,
  })
}

const target = (): string => join(trees.staging, 'vol/prod-copy/packages/bash/5.2/1.fc43', ...NAME)
const left = (): string[] => namesOf(trees.staging).filter((name) => /5\.2\/.|\.kss-/.test(name))

it('a thread brings a large file byte for byte, with its time and mode, as the stepped way does', async () => {
  for (const copier of [crew, new SteppedCopier(noStep)]) {
    await placement(copier).place(build)
    expect(readFileSync(target()).equals(bytes)).toBe(true)
    expect(statSync(target()).mode & 0o7777).toBe(0o640)
    expect(statSync(target()).mtimeMs).toBe(1_500_000_000_000)
    expect(await placement(copier).remove(build)).toEqual({ left: [] })
  }
})

it('a wrong byte in the last piece is found by a thread, with both digests, and nothing is left', async () => {
  const wrong = Buffer.from(bytes)
  wrong[wrong.length - 1] = (wrong.at(-1) as number) ^ 1
  put(source, NAME, wrong)
  const error = await placement(crew)
    .place(build)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(KeyError)
  expect(error).toMatchObject({
    code: 'STORAGE_WRONG_DIGEST',
    detail: {
      digest: 'sha256',
      expected: createHash('sha256').update(bytes).digest('hex'),
      found: createHash('sha256').update(wrong).digest('hex'),
    },
  })
  expect(left()).toEqual([])
})

it('a large file that is rewritten while it is read is no wrong one: it is read again', async () => {
  const later = randomBytes(bytes.length)
  let reads = 0
  const step: Step = (name, detail) => {
    // After its first piece; the rows know the later bytes.
    if (name === 'file.pread' && String(detail?.path).endsWith('disk.img') && ++reads === 2)
      put(source, NAME, later)
    return undefined
  }
  await placement(new SteppedCopier(step), step).place(imageBuild(later))
  expect(readFileSync(target()).equals(later)).toBe(true)
  expect(reads).toBeGreaterThan(20)
})

it('a stop ends the reading of a large file between two pieces, and nothing of it stays', async () => {
  const controller = new AbortController()
  let reads = 0
  const step: Step = (name, detail) => {
    if (name === 'file.pread' && String(detail?.path).endsWith('disk.img') && ++reads === 3)
      controller.abort()
    return undefined
  }
  const placing = placement(new SteppedCopier(step), step).place(build, controller.signal)
  await expect(placing).rejects.toBeInstanceOf(StopError)
  expect(reads).toBe(3)
  expect(left()).toEqual([])
})

function openJob(size: number): { job: PumpJob; close: () => void } {
  const from = join(trees.home, 'from')
  writeFileSync(from, '')
  truncateSync(from, size)
  const fd = openSync(from, 'r')
  const to = openSync(join(trees.home, 'to'), 'w')
  const close = (): void => [fd, to].forEach(closeSync)
  const ends = { from: { fd, side: 'prod' as const, shown: from }, to: { fd: to, shown: 'to' } }
  return { job: { ...ends, named: from, expected: UNKNOWN, stop: newStop() }, close }
}

it('who waits hears of the bytes while they pass, and the disk is put to work meanwhile', async () => {
  const { job, close } = openJob(130 * 1024 * 1024)
  const steps: string[] = []
  const told: number[] = []
  const work = pump(job, Buffer.allocUnsafe(1024 * 1024), (count) => told.push(count))
  await driveSteps(work, (name) => void steps.push(name))
  close()
  expect(told.map((count) => count / 1024 / 1024)).toEqual([64, 64, 2])
  // The last one waits for what was begun.
  expect(steps.filter((name) => name === 'file.flush')).toHaveLength(3)
  expect(steps.at(-1)).toBe('file.flush')
  expect(statSync(join(trees.home, 'to')).size).toBe(130 * 1024 * 1024)
})

it('what the disk says of bytes that it was given in between is not lost', async () => {
  const { job, close } = openJob(65 * 1024 * 1024)
  // No file that has a disk: what is begun on it fails.
  const work = pump({ ...job, to: { fd: 1_000_000, shown: 'to' } }, Buffer.allocUnsafe(1024 * 1024), () => {})
  let turn = work.next()
  await expect(async () => {
    while (turn.done !== true) {
      const { verb, run } = turn.value
      turn = work.next(verb === 'pwrite' ? undefined : await run())
    }
  }).rejects.toMatchObject({ code: 'EBADF' })
  close()
})
