import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { noStep, type Step } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { type Copier, SteppedCopier, ThreadCrew } from '../../src/storage/crew.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { Verifier } from '../../src/storage/verify-bytes.ts'
import { startSourceThread } from '../support/source-thread.ts'
import { makeRpm, put, rpmFile } from './rpms.ts'
import { aBuild, makeTrees, namesOf, snapshot, type Trees } from './trees.ts'

let trees: Trees
let source: string
let build: PlacedBuild
/** one for the file, as a daemon has one */
const crew = new ThreadCrew(2, startSourceThread)

beforeEach(() => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  rmSync(source, { recursive: true })
  const files = Array.from({ length: 120 }, (_, i) => {
    const rpm = makeRpm(`payload ${i} `.repeat(i))
    const file = rpmFile(`p-${i}.x86_64.rpm`, rpm)
    utimesSync(put(source, file.path, rpm.bytes), 1_500_000_000, 1_500_000_000)
    return file
  })
  for (let i = 0; i < 60; i++) put(source, ['data', 'logs', `${i % 7}`, `${i}.log`], `log ${i}`)
  build = aBuild({ stagingVolume: 'prod-copy', files })
})
afterEach(() => trees.destroy())

function placement(small: Copier, step: Step = noStep, fsync = false): CopyPlacement {
  return new CopyPlacement({
    source: new MountSource({ prodTopdir: trees.prod, step }),
    stagingTopdir: trees.staging,
    linkTarget: trees.prod,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 8 }),
    copier: small,
    sharing: { reflink: true, hardlink: false },
    fsync,
    reserveBytes: 0,
    fileMode: 0o640,
    step,
  })
}

const target = (): string => join(trees.staging, 'vol/prod-copy/packages/bash/5.2/1.fc43')
const left = (): string[] =>
  namesOf(trees.staging).filter((name) => !/^(packages|vol(\/prod-copy(\/packages|\/toplink)?)?)$/.test(name))
const files = (directory: string): string[] =>
  namesOf(directory).filter((name) => statSync(join(directory, name)).isFile() && !name.startsWith('.'))

it('threads bring byte, time, owner and mode as the stepped way does, some files at a time', async () => {
  const before = snapshot(trees.prod)
  await placement(crew).place(build)
  expect(files(target())).toEqual(files(source))
  for (const path of files(source)) {
    expect(readFileSync(join(target(), path)), path).toEqual(readFileSync(join(source, path)))
    const [to, from] = [statSync(join(target(), path)), statSync(join(source, path))]
    expect(Math.floor(to.mtimeMs)).toBe(Math.floor(from.mtimeMs))
    expect(to.mode & 0o7777).toBe(0o640)
  }
  const threaded = snapshot(trees.staging, { times: false })
  expect(await placement(crew).isPlaced(build)).toBe(true)
  expect(await placement(crew).remove(build)).toEqual({ left: [] })
  rmSync(join(trees.staging, 'vol'), { recursive: true })
  await placement(new SteppedCopier(noStep)).place(build)
  expect(snapshot(trees.staging, { times: false }).sort()).toEqual(threaded.sort())
  expect(snapshot(trees.prod)).toEqual(before)
})

it('an error of a thread is the error that it was, with both digests, and nothing is left', async () => {
  const path = join(source, 'x86_64/p-77.x86_64.rpm')
  const bytes = readFileSync(path)
  bytes[bytes.length - 1] = 99
  writeFileSync(path, bytes)
  const error = await placement(crew)
    .place(build)
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(KeyError)
  expect(error).toMatchObject({
    code: 'STORAGE_WRONG_DIGEST',
    detail: { path, digest: 'payloadhash', found: expect.stringMatching(/^[0-9a-f]{32}$/) },
  })
  expect(left()).toEqual([])
})

it("what is no plain file, or a way out of prod's tree, is seen by threads too", async () => {
  const path = join(source, 'x86_64/p-3.x86_64.rpm')
  const bytes = readFileSync(path)
  for (const [make, code] of [
    [() => execFileSync('mkfifo', [path]), 'STORAGE_NO_FILE'],
    [() => mkdirSync(path), 'STORAGE_NO_FILE'],
    [() => symlinkSync('/etc/passwd', path), 'STORAGE_SOURCE_OUTSIDE'],
    [() => {}, 'STORAGE_SOURCE_MISSING'],
  ] as const) {
    rmSync(path, { recursive: true })
    make()
    await expect(placement(crew).place(build)).rejects.toMatchObject({ code })
    expect(left()).toEqual([])
    rmSync(path, { recursive: true, force: true })
    writeFileSync(path, bytes)
  }
  // A link that stays inside is followed, as prod's own web server does.
  rmSync(path)
  put(source, ['elsewhere.rpm'], bytes)
  symlinkSync('../elsewhere.rpm', path)
  await placement(crew).place(build)
  expect(readFileSync(join(target(), 'x86_64/p-3.x86_64.rpm'))).toEqual(bytes)
})

it("a directory of prod's that is swapped for a way out before its files are opened brings nothing", async () => {
  const secret = join(trees.home, 'secret')
  for (const file of build.files) put(secret, [file.path[1] as string], 'secret')
  const step: Step = (name, detail) => {
    // After the directory was judged, before the first file in it is opened.
    if (name === 'file.create' && String(detail?.path).endsWith('p-0.x86_64.rpm')) {
      rmSync(join(source, 'x86_64'), { recursive: true })
      symlinkSync(secret, join(source, 'x86_64'))
    }
    return undefined
  }
  await expect(placement(new SteppedCopier(step), step).place(build)).rejects.toMatchObject({
    code: 'STORAGE_SOURCE_OUTSIDE',
  })
  expect(left()).toEqual([])
})

it('a log that grows while it is read is read again', async () => {
  const log = join(source, 'data/logs/0/0.log')
  let grown = false
  const step: Step = (name, detail) => {
    if (name !== 'file.pread' || detail?.path !== log || grown) return undefined
    grown = true
    writeFileSync(log, 'longer than before')
    return undefined
  }
  await placement(new SteppedCopier(step), step).place(build)
  expect(grown).toBe(true)
  expect(readFileSync(join(target(), 'data/logs/0/0.log'), 'utf8')).toBe('longer than before')
})

it('the files of a job are made durable together, after the last one is written and before the build is seen', async () => {
  const steps: string[] = []
  const step: Step = (name, detail) => {
    if (/\.(pwrite|sync|rename)$/.test(name) && detail?.side === 'staging')
      steps.push(
        `${name.slice(5)} ${String(detail.path).includes('.rpm') ? 'rpm' : String(detail.path).split('/').at(-1)}`,
      )
    return undefined
  }
  await placement(new SteppedCopier(step), step, true).place(build)
  const rpms = steps.filter((text) => text.endsWith(' rpm'))
  expect(rpms.filter((text) => text === 'pwrite rpm')).toHaveLength(120)
  expect(rpms.filter((text) => text === 'sync rpm')).toHaveLength(120)
  expect(rpms.indexOf('sync rpm')).toBeGreaterThanOrEqual(20)
  expect(steps.lastIndexOf('sync rpm')).toBeLessThan(steps.indexOf('rename 1.fc43'))
})

it('a signature header longer than the pieces that it comes in is judged, though each piece takes the place of the last', () => {
  const rpm = makeRpm('x'.repeat(5000))
  const expected = { size: rpm.bytes.length, payloadhash: rpm.payloadhash, sighash: null, checksums: [] }
  for (const bytes of [1, 7, 100, 113, 200, 1000]) {
    const verifier = new Verifier('a.rpm', expected)
    const piece = Buffer.alloc(bytes)
    for (let at = 0; at < rpm.bytes.length; at += bytes) {
      const count = rpm.bytes.copy(piece, 0, at, at + bytes)
      verifier.update(piece.subarray(0, count))
    }
    expect(() => verifier.end(), `${bytes} at a time`).not.toThrow()
  }
})

it('a host that gives no thread is told to who asked, and asked again the next time', async () => {
  let refuses = true
  const few = new ThreadCrew(2, () => {
    if (refuses) throw new Error('EAGAIN')
    return startSourceThread()
  })
  const job = { files: [], owner: { uid: 0n, gid: 0n, fileMode: 0o644 }, fsync: false, reflink: false }
  for (let time = 0; time < 3; time++)
    await expect(few.run(job)).rejects.toMatchObject({
      part: 'storage',
      message: expect.stringContaining('EAGAIN'),
    })
  refuses = false
  const first = few.run(job)
  refuses = true
  // The second thread is refused: the first one does its work, too.
  expect(await Promise.all([first, few.run(job), few.run(job)])).toHaveLength(3)
})
