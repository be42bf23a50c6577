import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noStep, type Step } from '../../src/step.ts'
import type { StorageCheckOptions } from '../../src/storage/check.ts'
import { checkStorage } from '../../src/storage/checks.ts'
import { checkMadeDirectories } from '../../src/storage/directory-checks.ts'
import { mountOf, overlap, parseMountinfo, positionOf } from '../../src/storage/mounts.ts'
import { failAt } from './placement-contract.ts'
import { makeTrees, snapshot, type Trees } from './trees.ts'

describe('the checks of the trees', () => {
  let trees: Trees
  beforeEach(() => {
    trees = makeTrees()
  })
  afterEach(() => trees.destroy())

  const DISK = '30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw'
  const mounts = (...lines: string[]): string => {
    const path = join(trees.home, 'mountinfo')
    writeFileSync(path, `${[DISK, ...lines].join('\n')}\n`)
    return path
  }
  const readOnlyProd = () => mounts(`31 30 0:52 / ${trees.prod} ro,nosuid - nfs4 nas:/koji rw,vers=4.2`)
  const run = async (changes: Partial<StorageCheckOptions> = {}, step: Step = noStep) => {
    const checks = await checkStorage({
      prodTopdir: trees.prod,
      linkTarget: trees.prod,
      stagingTopdir: trees.staging,
      stagingVolumes: ['prod'],
      allowWritableMount: false,
      step,
      mountinfoPath: changes.mountinfoPath ?? readOnlyProd(),
      ...changes,
    })
    return Object.fromEntries(checks.map((check) => [check.name, check]))
  }

  it('are all well for a read-only mount beside a writable tree, and write nothing', async () => {
    const mountinfoPath = readOnlyProd()
    const before = snapshot(trees.home)
    const checks = Object.values(await run({ mountinfoPath }))
    expect(checks.filter((check) => check.level !== 'ok')).toEqual([])
    expect(checks.map((check) => check.name)).toEqual([
      'prod.topdir',
      'prod mount',
      'staging.topdir',
      'trees apart',
      'prod.link_target',
      'link owner',
      'volume prod',
      'free space',
    ])
    expect(snapshot(trees.home)).toEqual(before)
  })

  it('refuse a writable mount of prod, unless it is admitted', async () => {
    expect(await run({ mountinfoPath: mounts() })).toMatchObject({
      'prod mount': { level: 'fail', text: expect.stringContaining('/ (ext4)') },
    })
    expect(await run({ mountinfoPath: mounts(), allowWritableMount: true })).toMatchObject({
      'prod mount': { level: 'warn' },
    })
  })

  it('take a mount that is read-only for this process alone for no proof, as under the unit', async () => {
    // ProtectSystem=strict: every mount is read-only here, whatever it is on the host.
    const sealed = join(trees.home, 'sealed')
    const view = (prod: string, root = 'ro') =>
      [
        `30 1 8:1 / / ${root},relatime - ext4 /dev/sda1 rw`,
        `31 30 0:52 / ${trees.prod} ${prod}`,
        `32 30 0:53 / ${trees.staging} rw - ext4 /dev/sdb1 rw`,
      ].join('\n')
    const host = join(trees.home, 'host')
    const seen = async (prod: string, onHost?: string) => {
      writeFileSync(sealed, view(prod))
      rmSync(host, { force: true })
      if (onHost !== undefined) writeFileSync(host, onHost)
      return (await run({ mountinfoPath: sealed, hostMountinfoPath: host }))['prod mount']
    }
    const local = 'ro - xfs /dev/sdc1 rw'
    expect(await seen(local)).toMatchObject({ level: 'warn', text: expect.stringContaining('not proved') })
    expect(await seen(local, view('rw - xfs /dev/sdc1 rw', 'rw'))).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('mounted writable'),
    })
    expect(await seen(local, view(local, 'rw'))).toMatchObject({ level: 'ok' })
    // A container's first process is sealed as we are; another file system of that name says nothing.
    expect(await seen(local, view(local))).toMatchObject({ level: 'warn' })
    expect(await seen(local, '30 1 8:1 / / rw - ext4 /dev/sda1 rw')).toMatchObject({ level: 'warn' })
    // What the file system itself refuses needs no witness.
    expect(await seen('ro - nfs4 nas:/koji ro')).toMatchObject({ level: 'ok' })
    expect(await seen('rw - xfs /dev/sdc1 rw')).toMatchObject({ level: 'fail' })
  })

  it("do not judge the mount where prod's tree is not mounted: that is an outage, not a danger", async () => {
    rmSync(join(trees.prod, 'packages'), { recursive: true })
    const checks = Object.values(await run({ mountinfoPath: mounts() }))
    expect(checks.filter(({ level }) => level === 'fail').map(({ name }) => name)).toEqual(
      expect.arrayContaining(['prod.topdir']),
    )
    expect(checks.filter(({ level, name }) => level === 'fail' && name !== 'prod.topdir')).toEqual([])
  })

  it('see a writable disk that is mounted within prod, or that a volume of prod links to', async () => {
    mkdirSync(join(trees.home, 'disk'))
    mkdirSync(join(trees.prod, 'vol'))
    symlinkSync(join(trees.home, 'disk'), join(trees.prod, 'vol/attic'))
    const ro = `31 30 0:52 / ${trees.prod} ro - nfs4 nas:/koji ro`
    expect(await run({ mountinfoPath: mounts(ro) })).toMatchObject({
      'prod mount': { level: 'fail', text: expect.stringContaining(`${trees.home}/disk`) },
    })
    rmSync(join(trees.prod, 'vol/attic'))
    const within = `32 31 0:53 / ${trees.prod}/vol/big rw - nfs4 nas:/big rw`
    expect(await run({ mountinfoPath: mounts(ro, within) })).toMatchObject({
      'prod mount': { level: 'fail', text: expect.stringContaining('vol/big') },
    })
  })

  it('do not trust what they cannot see', async () => {
    const checks = await run({ mountinfoPath: join(trees.home, 'none') })
    expect(checks).toMatchObject({ 'prod mount': { level: 'fail' }, 'trees apart': { level: 'warn' } })
  })

  it.each(['packages', ''])('name what is missing of either tree (%s)', async (what) => {
    for (const [tree, name] of [
      [trees.prod, 'prod.topdir'],
      [trees.staging, 'staging.topdir'],
    ] as const) {
      rmSync(join(tree, what), { recursive: true })
      expect(await run()).toMatchObject({ [name]: { level: 'fail' } })
    }
  })

  it('refuse trees that are one, lie in one another, or show one another by a mount', async () => {
    const apart = async (changes: Partial<StorageCheckOptions>) => (await run(changes))['trees apart']
    expect(await apart({ stagingTopdir: trees.prod })).toMatchObject({ level: 'fail' })
    symlinkSync(trees.prod, join(trees.home, 'alias'))
    expect(await apart({ stagingTopdir: join(trees.home, 'alias') })).toMatchObject({ level: 'fail' })
    mkdirSync(join(trees.prod, 'stg/packages'), { recursive: true })
    expect(await apart({ stagingTopdir: join(trees.prod, 'stg') })).toMatchObject({ level: 'fail' })
    const mountinfoPath = mounts(
      `31 30 0:52 /koji ${trees.prod} ro - nfs4 nas:/koji ro`,
      `32 30 0:52 /koji/vol/attic ${trees.staging}/vol/attic rw - nfs4 nas:/koji rw`,
    )
    expect(await apart({ mountinfoPath })).toMatchObject({
      level: 'fail',
      text: expect.stringContaining('vol/attic'),
    })
  })

  it('judge the link target: not visible, another tree, staging itself, no absolute path', async () => {
    const target = async (linkTarget: string | null) => (await run({ linkTarget }))['prod.link_target']?.level
    mkdirSync(join(trees.home, 'else'))
    expect(await target('/not/seen/from/here')).toBe('warn')
    expect(await target(join(trees.home, 'else'))).toBe('warn')
    expect(await target(trees.staging)).toBe('fail')
    expect(await target('prod')).toBe('fail')
    expect(await target('/mnt/../prod')).toBe('fail')
    expect(await target(null)).toBe('warn')
  })

  it('refuse a volume that is one link to the whole of prod, and a wrong toplink', async () => {
    const volume = join(trees.staging, 'vol/prod')
    const level = async () => (await run())['volume prod']?.level
    mkdirSync(join(trees.staging, 'vol'))
    symlinkSync(trees.prod, volume)
    expect(await run()).toMatchObject({
      'volume prod': { level: 'fail', hint: expect.stringContaining('delete builds of prod') },
    })
    rmSync(volume)
    mkdirSync(volume)
    expect(await level()).toBe('ok')
    for (const [text, expected] of [
      ['../..', 'ok'],
      ['/not/here', 'warn'],
      ['/tmp', 'fail'],
    ] as const) {
      symlinkSync(text, join(volume, 'toplink'))
      expect(await level()).toBe(expected)
      rmSync(join(volume, 'toplink'))
    }
    writeFileSync(join(volume, 'toplink'), '')
    expect(await level()).toBe('fail')
    expect(await run({ stagingVolumes: ['..', 'DEFAULT'] })).toMatchObject({
      'volume ..': { level: 'fail' },
      'volume DEFAULT': { level: 'fail' },
    })
  })

  it("find directories of staging's hub that are not ours to write", async () => {
    const stagingTopdir = trees.staging
    const look = (step: Step = noStep) => checkMadeDirectories({ stagingTopdir, step })
    mkdirSync(join(trees.staging, 'packages/bash/5.3/1'), { recursive: true })
    mkdirSync(join(trees.staging, 'packages/zsh/5.9/2'), { recursive: true })
    symlinkSync('/not/here', join(trees.staging, 'packages/lost'))
    expect(await look()).toMatchObject({ level: 'ok', text: expect.stringMatching(/^4 /) })
    for (const closed of ['packages/bash', 'packages/zsh/5.9']) {
      const path = join(trees.staging, closed)
      const refusing: Step = (verb, detail) => {
        if (verb === 'file.access' && detail?.path === path)
          throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
        return undefined
      }
      expect(await look(refusing)).toMatchObject({ level: 'fail', text: expect.stringContaining(`1 of 4`) })
      expect((await look(refusing)).text).toContain(path)
    }
  })

  it('want the topdir writable only where it has no volumes yet', async () => {
    const closed =
      (closedPath: string): Step =>
      (verb, detail) => {
        if (verb === 'file.access' && detail?.path === closedPath)
          throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
        return undefined
      }
    const judge = async (path: string) => (await run({}, closed(path)))['staging.topdir']
    const refused = (path: string) => ({ level: 'fail', text: `${path} is not writable` })
    const vol = join(trees.staging, 'vol')
    rmSync(vol, { recursive: true, force: true })
    expect(await judge(trees.staging)).toMatchObject(refused(trees.staging))
    mkdirSync(vol)
    expect(await judge(trees.staging)).toMatchObject({ level: 'ok' })
    expect(await judge(vol)).toMatchObject(refused(vol))
    expect(await judge(join(trees.staging, 'packages'))).toMatchObject(
      refused(join(trees.staging, 'packages')),
    )
  })

  it('turn a sick disk into a line, not into an exception', async () => {
    const checks = await run({}, failAt('file.list', 'ESTALE'))
    expect(checks).toMatchObject({
      'prod.topdir': { level: 'fail', text: expect.stringContaining('ESTALE') },
    })
    expect(await run({}, failAt('file.access', 'EROFS'))).toMatchObject({
      'staging.topdir': { level: 'fail', text: expect.stringContaining('not writable') },
    })
  })
})

describe('the list of mounts', () => {
  const text = [
    '30 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '31 30 0:52 /k\\040oji /mnt/pr\\040od ro,nosuid shared:7 master:3 - nfs4 nas:/k rw',
    '32 30 8:1 /srv/koji /mnt/again rw - ext4 /dev/sda1 ro',
    'garbage',
  ].join('\n')
  const list = parseMountinfo(text)

  it('is read with escapes, optional fields and both sorts of read-only', () => {
    expect(list.map(({ mountPoint, readOnly, type }) => [mountPoint, readOnly, type])).toEqual([
      ['/', false, 'ext4'],
      ['/mnt/pr od', true, 'nfs4'],
      ['/mnt/again', true, 'ext4'],
    ])
  })

  it('tells where a path really lies', () => {
    expect(mountOf(list, '/mnt/pr od/packages')?.device).toBe('0:52')
    expect(mountOf(list, '/mnt/pr odd')?.mountPoint).toBe('/')
    expect(positionOf(list, '/mnt/pr od/packages')).toEqual({ device: '0:52', path: '/k oji/packages' })
    const [a, b] = [positionOf(list, '/mnt/again/vol'), positionOf(list, '/srv')]
    expect(a !== null && b !== null && overlap(a, b)).toBe(true)
  })
})
