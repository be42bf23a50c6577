import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeyError, OutageError } from '../../src/errors.ts'
import { noStep, type Step } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement, type CopyPlacementOptions } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { dieAt, failAt } from './placement-contract.ts'
import { makeRpm, put, putBuild, rpmFile, sigcacheFile } from './rpms.ts'
import { aBuild, makeTrees, namesOf, snapshot, type Trees } from './trees.ts'

let trees: Trees
let source: string
let build: PlacedBuild
let made: ReturnType<typeof putBuild>

beforeEach(() => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  rmSync(source, { recursive: true })
  made = putBuild(source)
  build = aBuild({ stagingVolume: 'prod-copy', files: made.files })
})
afterEach(() => trees.destroy())

function placement(step: Step = noStep, changes: Partial<CopyPlacementOptions> = {}): CopyPlacement {
  return new CopyPlacement({
    source: new MountSource({ prodTopdir: trees.prod, step }),
    stagingTopdir: trees.staging,
    linkTarget: trees.prod,
    take: { arches: null, signedKeys: ['aabbccdd'], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 1 }),
    copier: new SteppedCopier(step),
    sharing: { reflink: true, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step,
    ...changes,
  })
}

const target = (): string => join(trees.staging, 'vol/prod-copy/packages/bash/5.2/1.fc43')
const SIGNED = 'data/signed/aabbccdd/x86_64/bash-5.2-1.fc43.x86_64.rpm'
const RPM = 'x86_64/bash-5.2-1.fc43.x86_64.rpm'
const ALL = [
  RPM,
  'src/bash-5.2-1.fc43.src.rpm',
  'images/a.img',
  'files/remote-sources/deep/er/r.tar',
  'metadata.json',
  'data/logs/x86_64/build.log',
  'data/sigcache/aabbccdd/x86_64/bash-5.2-1.fc43.x86_64.rpm.sig',
]
const left = (): string[] =>
  namesOf(trees.staging).filter((name) => !/^(packages|vol(\/prod-copy(\/packages|\/toplink)?)?)$/.test(name))

describe('what is copied', () => {
  it.each([
    ['in one go', { bytesPerSecond: null, openTransfers: 2 }],
    ['one by one', { bytesPerSecond: 100_000_000, openTransfers: 1 }],
  ])('is counted by its bytes: %s', async (_, limits) => {
    const told = { copy: 0, 'in-place': 0 }
    await placement(noStep, {
      transfers: new Transfers(limits),
      sharing: { reflink: false, hardlink: false },
      onWritten: (mode, bytes) => {
        told[mode] += bytes
      },
    }).place(build)
    const files = namesOf(target()).filter((name) => name !== '.koji-staging-sync.json')
    const sizes = files
      .map((name) => statSync(join(target(), name)))
      .flatMap((stat) => (stat.isFile() ? [stat.size] : []))
    expect(told).toEqual({ copy: sizes.reduce((sum, size) => sum + size, 0), 'in-place': 0 })
  })

  it('is every file that rows name, metadata and logs, byte for byte, with its time, and the signed copy', async () => {
    utimesSync(join(source, RPM), 1_500_000_000, 1_500_000_000)
    expect(await placement().isPlaced(build)).toBe(false)
    await placement().place(build)
    expect(await placement().isPlaced(build)).toBe(true)
    for (const path of ALL)
      expect(readFileSync(join(target(), path)), path).toEqual(readFileSync(join(source, path)))
    expect(readFileSync(join(target(), SIGNED))).toEqual(made.signed)
    expect(statSync(join(target(), RPM)).mtimeMs).toBe(1_500_000_000_000)
    expect(statSync(join(trees.staging, 'packages/bash/5.2/1.fc43', RPM)).ino).toBe(
      statSync(join(target(), RPM)).ino,
    )
    expect(await placement().inspect(build)).toEqual([])
  })

  it('is not what was not asked for', async () => {
    const take = {
      arches: (arch: string) => arch === 'src',
      signedKeys: ['aabbccdd'],
      sigcache: true,
      logs: false,
    }
    const some = placement(noStep, { take })
    await some.place(build)
    expect(await some.isPlaced(build)).toBe(true)
    expect(await some.inspect(build)).toEqual([])
    expect(namesOf(target()).filter((name) => /x86_64|logs/.test(name))).toEqual([])
    expect(existsSync(join(target(), 'src/bash-5.2-1.fc43.src.rpm'))).toBe(true)
  })

  it('comes later file by file, and goes when the rows do not name it any more', async () => {
    await placement().place({ ...build, files: made.files.slice(0, 1) })
    const before = statSync(join(target(), RPM)).ino
    expect(await placement().isPlaced(build)).toBe(false)
    await placement().place(build)
    expect(await placement().isPlaced(build)).toBe(true)
    expect(statSync(join(target(), RPM)).ino).toBe(before)
    const fewer = { ...build, files: made.files.slice(0, 2) }
    expect(await placement().isPlaced(fewer)).toBe(false)
    await placement().tidy(fewer)
    expect(await placement().isPlaced(fewer)).toBe(true)
    expect(existsSync(join(target(), 'images'))).toBe(false)
    expect(existsSync(join(target(), SIGNED))).toBe(false)
    expect(existsSync(join(target(), 'data/logs/x86_64/build.log'))).toBe(true)
  })

  it('is brought again when prod made the rpm anew under the same name', async () => {
    await placement().place(build)
    const anew = makeRpm('anew')
    const file = rpmFile('bash-5.2-1.fc43.x86_64.rpm', anew)
    put(source, file.path, anew.bytes)
    const changed = { ...build, files: [file, ...made.files.slice(3)] }
    expect(await placement().isPlaced(changed)).toBe(false)
    await placement().place(changed)
    expect(readFileSync(join(target(), RPM))).toEqual(anew.bytes)
  })

  it('shares no inode with prod unless told to, and then only what nobody may write', async () => {
    await placement().place(build)
    expect(statSync(join(target(), RPM)).nlink).toBe(1)
    await placement().remove(build)
    const read = join(source, RPM)
    const { chmodSync } = await import('node:fs')
    chmodSync(read, 0o444)
    const before = snapshot(trees.prod, { times: false })
    await placement(noStep, { sharing: { reflink: false, hardlink: true } }).place(build)
    expect(statSync(join(target(), RPM)).ino).toBe(statSync(read).ino)
    expect(statSync(join(target(), 'images/a.img')).nlink).toBe(1)
    expect(snapshot(trees.prod, { times: false })).toEqual(before)
  })
})

describe('a file with wrong bytes', () => {
  const wrong = async (path: string, bytes: Buffer, code: string): Promise<KeyError> => {
    writeFileSync(join(source, path), bytes)
    const error = await placement()
      .place(build)
      .then(
        () => null,
        (thrown: unknown) => thrown,
      )
    expect(error).toBeInstanceOf(KeyError)
    expect(error).toMatchObject({ code, message: expect.stringContaining(join(source, path)) })
    expect(left()).toEqual([])
    return error as KeyError
  }

  it('parks the build with both digests, and nothing of it is seen', async () => {
    const bytes = Buffer.from(made.rpm.bytes)
    bytes[bytes.length - 1] = 99
    const { detail } = await wrong(RPM, bytes, 'STORAGE_WRONG_DIGEST')
    expect(detail).toMatchObject({ digest: 'payloadhash', expected: made.rpm.payloadhash })
    expect(detail.found).toMatch(/^[0-9a-f]{32}$/)
  })

  it('is found by its header, its length, its archive checksum, its signature', async () => {
    const other = makeRpm('bask', 3000)
    expect((await wrong(RPM, other.bytes, 'STORAGE_WRONG_DIGEST')).detail.found).toBe(other.payloadhash)
    await wrong(RPM, made.rpm.bytes.subarray(0, -1), 'STORAGE_WRONG_SIZE')
    await wrong(RPM, Buffer.concat([made.rpm.bytes, Buffer.from('x')]), 'STORAGE_WRONG_SIZE')
    await wrong(RPM, Buffer.alloc(made.rpm.bytes.length), 'STORAGE_NOT_RPM')
    writeFileSync(join(source, RPM), made.rpm.bytes)
    await wrong('images/a.img', Buffer.from('an imagE'), 'STORAGE_WRONG_DIGEST')
    writeFileSync(join(source, 'images/a.img'), 'an image')
    await wrong(
      'data/sigcache/aabbccdd/x86_64/bash-5.2-1.fc43.x86_64.rpm.sig',
      made.rpm.signedWith('x'),
      'STORAGE_WRONG_DIGEST',
    )
  })

  it.each([
    ['the wrong sighash', 'sighash'],
    ['the wrong rpm_checksum', 'sha256'],
  ])('is no signed copy: %s', async (_, digest) => {
    const [file] = made.files
    if (file?.kind !== 'rpm') throw new Error('the first is the rpm')
    const checksums =
      digest === 'sha256' ? [{ sigkey: 'aabbccdd', type: 'sha256' as const, hex: '0'.repeat(64) }] : []
    const rpm = { ...file, checksums }
    const header = made.rpm.signedWith('aabbccdd')
    const sig = {
      ...sigcacheFile(rpm, 'aabbccdd', header),
      ...(digest === 'sighash' ? { sigHash: '0'.repeat(32) } : {}),
    }
    const take = { arches: null, signedKeys: ['aabbccdd'], sigcache: digest !== 'sighash', logs: false }
    await expect(placement(noStep, { take }).place({ ...build, files: [rpm, sig] })).rejects.toMatchObject({
      code: 'STORAGE_WRONG_DIGEST',
    })
    expect(left()).toEqual([])
  })

  it('takes the signed copy that prod has where its parts do not make what prod has summed', async () => {
    const [file] = made.files
    if (file?.kind !== 'rpm') throw new Error('the first is the rpm')
    const header = made.rpm.signedWith('aabbccdd')
    const odd = Buffer.from(made.signed)
    odd[5] = 42
    put(source, SIGNED.split('/'), odd)
    const { createHash } = await import('node:crypto')
    const hex = createHash('sha256').update(odd).digest('hex')
    const rpm = { ...file, checksums: [{ sigkey: 'aabbccdd', type: 'sha256' as const, hex }] }
    await placement().place({ ...build, files: [rpm, sigcacheFile(rpm, 'aabbccdd', header)] })
    expect(readFileSync(join(target(), SIGNED))).toEqual(odd)
  })
})

describe('a tree that somebody wishes us ill with', () => {
  it('gets nothing from outside of prod, no FIFO, no directory', async () => {
    const { execFileSync } = await import('node:child_process')
    writeFileSync(join(trees.home, 'secret'), 'an image')
    const image = join(source, 'images/a.img')
    rmSync(image)
    symlinkSync(join(trees.home, 'secret'), image)
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_SOURCE_OUTSIDE' })
    rmSync(image)
    execFileSync('mkfifo', [image])
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_NO_FILE' })
    rmSync(image)
    mkdirSync(image)
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_NO_FILE' })
    rmSync(image, { recursive: true })
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_SOURCE_MISSING' })
    expect(left()).toEqual([])
  })

  it('brings no link, FIFO or secret among the logs', async () => {
    const { execFileSync } = await import('node:child_process')
    symlinkSync('/etc/passwd', join(source, 'data/logs/passwd'))
    symlinkSync(trees.home, join(source, 'data/logs/home'))
    execFileSync('mkfifo', [join(source, 'data/logs/fifo')])
    put(source, ['data', 'logs', 'a\nb'], 'x')
    await placement().place(build)
    expect(namesOf(join(target(), 'data/logs'))).toEqual(['x86_64', 'x86_64/build.log'])
  })

  it('does not get written where a directory of the build was swapped for a link into prod', async () => {
    await placement().place({ ...build, files: made.files.slice(0, 1) })
    rmSync(join(target(), 'images'), { recursive: true, force: true })
    mkdirSync(join(trees.prod, 'victim'))
    symlinkSync(join(trees.prod, 'victim'), join(target(), 'images'))
    const before = snapshot(trees.prod)
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
    await placement().remove(build)
    expect(snapshot(trees.prod)).toEqual(before)
  })

  it('is looked at again when a file changes while it is read', async () => {
    let once = false
    const step: Step = (name, detail) => {
      if (name !== 'file.pread' || detail?.side !== 'prod' || once) return undefined
      once = true
      truncateSync(join(source, RPM), 100)
      writeFileSync(join(source, RPM), made.rpm.bytes)
      return undefined
    }
    await placement(step).place(build)
    expect(readFileSync(join(target(), RPM))).toEqual(made.rpm.bytes)
  })
})

describe("prod's tree, when it is not what it was", () => {
  const failing =
    (verb: string, errno: string, matches: (path: string) => boolean): Step =>
    (name, detail) => {
      if (name !== verb || detail?.side !== 'prod' || !matches(String(detail.path))) return undefined
      throw Object.assign(new Error(errno), { code: errno })
    }

  it.each(['ESTALE', 'ENOTCONN', 'ETIMEDOUT'])(
    'that goes stale (%s) while bytes are read is an outage, and nothing is left',
    async (errno) => {
      const error = await placement(failing('file.pread', errno, (path) => path.endsWith('.img')))
        .place(build)
        .catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(OutageError)
      expect(error).toMatchObject({ part: 'storage', code: 'STORAGE_MOUNT' })
      expect(left()).toEqual([])
      await placement().place(build)
      expect(await placement().isPlaced(build)).toBe(true)
    },
  )

  it("with a bad block in one file is that build's own error, and an outage when nothing answers", async () => {
    const one = placement(failing('file.pread', 'EIO', (path) => path.endsWith('.img')))
    await expect(one.place(build)).rejects.toMatchObject({ code: 'STORAGE_BUILD_SICK' })
    const all = placement((name, detail) => {
      if (detail?.side === 'prod' && /pread|lstat|stat$/.test(name) && !/fstat/.test(name))
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
      return undefined
    })
    await expect(all.place(build)).rejects.toMatchObject({ part: 'storage', code: 'STORAGE_MOUNT' })
    expect(left()).toEqual([])
  })

  it('that is unmounted in the middle leaves nothing, and is an outage when it is looked at again', async () => {
    let gone = false
    const step: Step = (name, detail) => {
      if (gone || name !== 'file.pwrite' || detail?.side !== 'staging') return undefined
      gone = true
      rmSync(join(trees.prod, 'packages'), { recursive: true })
      mkdirSync(join(trees.prod, 'packages'))
      return undefined
    }
    const error = await placement(step)
      .place(build)
      .catch((thrown: unknown) => thrown)
    expect(gone).toBe(true)
    expect(error).toMatchObject({ code: expect.stringMatching(/^STORAGE_(SOURCE_MISSING|MOUNT)$/) })
    expect(left()).toEqual([])
    await expect(placement().place(build)).rejects.toMatchObject({ part: 'storage', code: 'STORAGE_MOUNT' })
  })

  it('whose files have other names of their own is copied all the same, and those stay as they were', async () => {
    const { linkSync } = await import('node:fs')
    linkSync(join(source, RPM), join(trees.prod, 'other-name'))
    const before = snapshot(trees.prod)
    await placement().place(build)
    expect(statSync(join(target(), RPM)).nlink).toBe(1)
    await placement().remove(build)
    expect(snapshot(trees.prod)).toEqual(before)
  })
})

describe('staging', () => {
  it('keeps what it signed beside, through placing and tidying, and gives it along when the build moves', async () => {
    await placement().place(build)
    const own = 'data/sigcache/00000000/x86_64/own.sig'
    put(target(), own.split('/'), 'own')
    await placement().place(build)
    await placement().tidy(build)
    expect(await placement().isPlaced(build)).toBe(true)
    const moved = { ...build, stagingVolume: 'other-copy', formerVolumes: ['prod-copy'] }
    await placement().place(moved)
    expect(await placement().remove(build, moved)).toEqual({ left: [] })
    expect(readFileSync(join(trees.staging, 'packages/bash/5.2/1.fc43', own), 'utf8')).toBe('own')
    expect(existsSync(target())).toBe(false)
    expect(await placement().isPlaced(moved)).toBe(true)
    expect(await placement().remove(moved)).toEqual({ left: [] })
    expect(existsSync(join(trees.staging, 'packages/bash'))).toBe(false)
  })

  it('keeps files of its own in a build that goes, and they are named', async () => {
    await placement().place(build)
    put(target(), ['notes.txt'], 'own')
    expect(await placement().remove(build)).toEqual({ left: [join(target(), 'notes.txt')] })
    expect(namesOf(target())).toEqual(['notes.txt'])
  })

  it('has its own directory and its own file left alone', async () => {
    put(target(), ['notes.txt'], 'own')
    expect(await placement().standsAlready({ ...build, volume: 'prod-copy' })).toBe(true)
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
    expect(await placement().remove(build)).toEqual({ left: [target()] })
    rmSync(target(), { recursive: true })
    rmSync(join(source, 'images'), { recursive: true })
    await placement().place({ ...build, files: made.files.slice(0, 1) })
    put(source, ['images', 'a.img'], 'an image')
    expect(await placement().standsAlready({ ...build, volume: 'prod-copy' })).toBe(false)
    put(target(), ['images', 'a.img'], 'own img')
    await expect(placement().place(build)).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
    expect(readFileSync(join(target(), 'images/a.img'), 'utf8')).toBe('own img')
  })

  it("has a promoted draft's old name lead to the new one", async () => {
    const draft = { ...build, release: '1.fc43,draft_101' }
    put(join(trees.prod, 'packages/bash/5.2/1.fc43,draft_101'), ['x'], '')
    rmSync(join(trees.prod, 'packages/bash/5.2/1.fc43,draft_101'), { recursive: true })
    const { renameSync } = await import('node:fs')
    renameSync(source, `${source},draft_101`)
    await placement().place(draft)
    renameSync(`${source},draft_101`, source)
    symlinkSync('1.fc43', `${source},draft_101`)
    await placement().place(build)
    expect(await placement().remove(draft, build)).toEqual({ left: [] })
    const old = join(trees.staging, 'vol/prod-copy/packages/bash/5.2/1.fc43,draft_101', RPM)
    expect(statSync(old).ino).toBe(statSync(join(target(), RPM)).ino)
    expect(await placement().remove(build)).toEqual({ left: [] })
    expect(left()).toEqual([])
  })
})

describe('a disk that takes no more', () => {
  it.each([
    ['ENOSPC', 'file.pwrite', 'STORAGE_NO_SPACE'],
    ['EDQUOT', 'file.pwrite', 'STORAGE_NO_SPACE'],
    ['EROFS', 'file.create', 'STORAGE_READ_ONLY'],
    ['ESTALE', 'file.sync', 'STORAGE_DISK'],
    ['EIO', 'file.pwrite', 'STORAGE_BUILD_SICK'],
    ['EACCES', 'file.create', 'STORAGE_BUILD_SICK'],
  ])('is %s at %s: %s, and nothing is half there', async (errno, verb, code) => {
    for (const nth of [1, 3, 6]) {
      const error = await placement(failAt(verb, errno, nth), { fsync: true })
        .place(build)
        .then(
          () => null,
          (thrown: unknown) => thrown,
        )
      expect(error, `${nth}`).toMatchObject({ code, message: expect.stringContaining(errno) })
      expect(left(), `${nth}`).toEqual([])
    }
  })

  it('that is really full says so, nothing is half there, and the copy comes when there is room', async () => {
    const { execFileSync } = await import('node:child_process')
    const small = join(trees.home, 'small')
    mkdirSync(small)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', small], { stdio: 'ignore' })
    } catch {
      // Only root mounts: others have a disk that says it is full.
      const full = placement(failAt('file.pwrite', 'ENOSPC', 2))
      await expect(full.place(build)).rejects.toMatchObject({ part: 'space', code: 'STORAGE_NO_SPACE' })
      expect(left()).toEqual([])
      return
    }
    try {
      mkdirSync(join(small, 'packages'))
      const filler = join(small, 'filler')
      writeFileSync(filler, Buffer.alloc(40_000))
      const on = placement(noStep, { stagingTopdir: small })
      await expect(on.place(build)).rejects.toMatchObject({ part: 'space', code: 'STORAGE_NO_SPACE' })
      expect(namesOf(small).filter((name) => /fc43|kss/.test(name))).toEqual([])
      await on.probe()
      rmSync(filler)
      await on.place(build)
      expect(await on.isPlaced(build)).toBe(true)
    } finally {
      execFileSync('umount', [small])
    }
  })

  it('is not filled up to its reserve, and takes files again when there is room', async () => {
    const free = statfsOf(trees.staging)
    const full = placement(noStep, { reserveBytes: free * 2 })
    await full.probe()
    for (const act of [() => full.place(build), () => full.probeRoom()]) {
      const error = await act().then(
        () => null,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(OutageError)
      expect(error).toMatchObject({
        part: 'space',
        code: 'STORAGE_NO_SPACE',
        detail: { reserveBytes: free * 2 },
      })
    }
    expect(left()).toEqual([])
    await placement(noStep, { reserveBytes: Math.floor(free / 2) }).probeRoom()
    expect(namesOf(trees.staging)).toEqual(['packages'])
  })
})

it('what somebody has mounted within a build is not emptied with it', async () => {
  const { execFileSync } = await import('node:child_process')
  await placement().place(build)
  const logs = join(target(), 'data/logs')
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', logs], { stdio: 'ignore' })
  } catch {
    // Only root mounts: for others all of it goes.
    expect(await placement().remove(build)).toEqual({ left: [] })
    return
  }
  let at = logs
  try {
    put(logs, ['x86_64', 'build.log'], 'a log')
    const removed = await placement()
      .remove(build)
      .catch((error: unknown) => error)
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
    at = mounts.find((point) => point.startsWith(trees.staging)) ?? logs
    expect(readFileSync(join(at, 'x86_64/build.log'), 'utf8')).toBe('a log')
    expect(removed).toMatchObject({ code: 'STORAGE_CLASH' })
  } finally {
    execFileSync('umount', [at])
  }
})

describe('a kill', () => {
  beforeEach(() => {
    build = { ...build, files: made.files.slice(0, 3) }
    for (const path of ['images', 'files', 'src', 'data/logs'])
      rmSync(join(source, path), { recursive: true })
  })
  const WHOLE = [RPM, 'metadata.json', SIGNED]

  it('at any step of placing is healed by placing again, or by removing', async () => {
    await placement().place(build)
    const right = withoutTimes()
    for (const heal of ['place', 'remove'] as const) {
      let died = true
      for (let step = 1; died; step++) {
        rmSync(trees.staging, { recursive: true })
        mkdirSync(join(trees.staging, 'packages'), { recursive: true })
        died = await placement(dieAt(step).step)
          .place(build)
          .then(
            () => false,
            () => true,
          )
        if (existsSync(target()))
          for (const path of WHOLE) expect(existsSync(join(target(), path))).toBe(true)
        await placement()[heal](build)
        if (heal === 'place') expect(withoutTimes(), `step ${step}`).toEqual(right)
        else expect(left(), `step ${step}`).toEqual([])
      }
    }
  })

  it('at any step of adding files, or of removing, is healed', async () => {
    const before = { ...build, files: made.files.slice(0, 1) }
    let died = true
    for (let step = 1; died; step++) {
      await placement().place(before)
      died = await placement(dieAt(step).step)
        .place(build)
        .then(
          () => false,
          () => true,
        )
      // By the next try, or by one when prod has taken the files away again.
      for (const wanted of [step % 2 === 0 ? before : build, build]) {
        expect((await placement().isPlaced(wanted)) && unfinished(), `step ${step}`).not.toBe(true)
        await placement().place(wanted)
        await placement().tidy(wanted)
        expect(unfinished(), `step ${step}`).toBe(false)
        expect(await placement().isPlaced(wanted)).toBe(true)
      }
      await placement(dieAt(step).step)
        .remove(build)
        .catch(() => {})
      expect(await placement().remove(build), `step ${step}`).toEqual({ left: [] })
      expect(left(), `step ${step}`).toEqual([])
    }
  })
})

function unfinished(): boolean {
  return namesOf(trees.staging).some((name) => name.includes('.kss-'))
}

function withoutTimes(): string[] {
  return snapshot(trees.staging, { times: false }).filter((line) => !line.includes('.koji-staging-sync.json'))
}

function statfsOf(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}
