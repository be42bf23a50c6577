import {
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { noStep, type Step } from '../../src/step.ts'
import { VolumePlacement, type VolumePlacementOptions } from '../../src/storage/volume-placement.ts'
import { failAt } from './placement-contract.ts'
import { aBuild, link, linksOf, makeTrees, namesOf, prodDir, snapshot, type Trees } from './trees.ts'

const root = process.geteuid?.() === 0

describe('placement volume', () => {
  let trees: Trees
  beforeEach(() => {
    trees = makeTrees()
  })
  afterEach(() => trees.destroy())

  const placement = (step: Step = noStep, options: Partial<VolumePlacementOptions> = {}) =>
    new VolumePlacement({
      prodTopdir: trees.prod,
      linkTarget: '/mnt/prod',
      stagingTopdir: trees.staging,
      step,
      ...options,
    })
  const links = () => linksOf(trees.staging)
  const BASE = 'packages/bash/5.2/1.fc43'
  const placed = {
    [BASE]: '../../../vol/prod/packages/bash/5.2/1.fc43',
    'vol/prod/packages/bash/5.2/1.fc43': '/mnt/prod/packages/bash/5.2/1.fc43',
    'vol/prod/toplink': '../..',
  }

  it('makes one link into the mount, and the links of Koji, all else being real directories', async () => {
    trees.addBuild(aBuild())
    await placement().place(aBuild())
    expect(links()).toEqual(placed)
  })

  it('links to the real directory on a volume of prod, whatever the hub said', async () => {
    const onAttic = aBuild({ prodVolume: 'attic', stagingVolume: 'prod-attic' })
    trees.addBuild(onAttic)
    link('../../../vol/attic/packages/bash/5.2/1.fc43', join(trees.prod, BASE))
    for (const build of [onAttic, { ...onAttic, prodVolume: 'DEFAULT' }]) {
      await placement().place(build)
      expect(links()['vol/prod-attic/packages/bash/5.2/1.fc43']).toBe(
        '/mnt/prod/vol/attic/packages/bash/5.2/1.fc43',
      )
    }
  })

  it('follows a volume of prod that is a link to another disk, and no other way out of prod', async () => {
    const build = aBuild({ prodVolume: 'attic' })
    mkdirSync(join(trees.home, 'disk/packages/bash/5.2/1.fc43'), { recursive: true })
    link(join(trees.home, 'disk'), join(trees.prod, 'vol/attic'))
    await placement().place(build)
    expect(await placement().isPlaced(build)).toBe(true)
    link(join(trees.home, 'disk/packages/bash'), join(trees.prod, 'packages/zsh'))
    await expect(placement().place(aBuild({ name: 'zsh' }))).rejects.toMatchObject({
      code: 'STORAGE_SOURCE_OUTSIDE',
    })
    link(trees.home, join(trees.prod, 'packages/ksh/5.2/1.fc43'))
    await expect(placement().place(aBuild({ name: 'ksh' }))).rejects.toMatchObject({
      code: 'STORAGE_SOURCE_OUTSIDE',
    })
  })

  it('calls links of prod that dangle or go in circles a missing source', async () => {
    link('1.fc43', join(trees.prod, BASE))
    await expect(placement().place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_SOURCE_MISSING' })
    unlinkSync(join(trees.prod, BASE))
    symlinkSync('../../../vol/gone/packages/bash/5.2/1.fc43', join(trees.prod, BASE))
    await expect(placement().place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_SOURCE_MISSING' })
  })

  it('needs no directory for a build without files, but links one that is there', async () => {
    mkdirSync(join(trees.prod, 'packages/other/1'), { recursive: true })
    const build = aBuild({ withoutFiles: true })
    await placement().place(build)
    expect([await placement().isPlaced(build), links()]).toEqual([true, {}])
    trees.addBuild(build)
    expect(await placement().isPlaced(build)).toBe(false)
    await placement().place(build)
    expect(links()).toEqual(placed)
  })

  it('moves to another volume: the new one first, then the old link goes', async () => {
    const old = aBuild()
    const moved = aBuild({ prodVolume: 'attic', stagingVolume: 'prod-attic' })
    trees.addBuild(old)
    trees.addBuild(moved)
    await placement().place(old)
    await placement().place(moved)
    expect(await placement().remove(old, moved)).toEqual({ left: [] })
    expect(links()).toEqual({
      [BASE]: '../../../vol/prod-attic/packages/bash/5.2/1.fc43',
      'vol/prod-attic/packages/bash/5.2/1.fc43': '/mnt/prod/vol/attic/packages/bash/5.2/1.fc43',
      'vol/prod-attic/toplink': '../..',
      'vol/prod/toplink': '../..',
    })
    expect(existsSync(join(trees.staging, 'vol/prod/packages/bash'))).toBe(false)
    expect(await placement().isPlaced(moved)).toBe(true)
  })

  it('replaces its link when only the volume in prod changed', async () => {
    const moved = aBuild({ prodVolume: 'attic' })
    trees.addBuild(aBuild())
    await placement().place(aBuild())
    trees.addBuild(moved)
    await placement().place(moved)
    expect(await placement().remove(aBuild(), moved)).toEqual({ left: [] })
    expect(links()['vol/prod/packages/bash/5.2/1.fc43']).toBe('/mnt/prod/vol/attic/packages/bash/5.2/1.fc43')
  })

  it('turns the name of a promoted draft into the link that Koji makes, and takes it away with the build', async () => {
    const draft = aBuild({ release: '1.fc43,draft_101' })
    trees.addBuild(draft)
    const local = placement(noStep, { linkTarget: trees.prod })
    await local.place(draft)
    renameSync(prodDir(trees.prod, draft), prodDir(trees.prod, aBuild()))
    symlinkSync('1.fc43', prodDir(trees.prod, draft))
    await local.place(aBuild())
    expect(await local.remove(draft, aBuild())).toEqual({ left: [] })
    expect(links()['vol/prod/packages/bash/5.2/1.fc43,draft_101']).toBe(
      '../../../../../packages/bash/5.2/1.fc43',
    )
    for (const top of ['', 'vol/prod/'])
      for (const release of ['1.fc43', '1.fc43,draft_101'])
        expect(
          readFileSync(join(trees.staging, top, 'packages/bash/5.2', release, 'x86_64/a.rpm'), 'utf8'),
        ).toContain('rpm')
    // A late reader who still believes in the draft changes nothing.
    const before = snapshot(trees.staging)
    await local.place(draft)
    expect(await local.remove(draft, aBuild())).toEqual({ left: [] })
    expect(snapshot(trees.staging)).toEqual(before)
    expect(await local.remove(aBuild())).toEqual({ left: [] })
    expect(namesOf(join(trees.staging, 'packages'))).toEqual([])
    expect(namesOf(join(trees.staging, 'vol/prod/packages'))).toEqual([])
  })

  it("takes away the backlink that a newer hub of staging made for a draft's name, on any volume", async () => {
    trees.addBuild(aBuild())
    await placement().place(aBuild())
    link(
      '../../../toplink/packages/bash/5.2/1.fc43',
      join(trees.staging, 'vol/local/packages/bash/5.2/1.fc43,draft_101'),
    )
    await placement().remove(aBuild())
    expect(links()).toEqual({ 'vol/prod/toplink': '../..' })
  })

  it.each([
    ['a link to somewhere else', 'vol/prod/packages/bash/5.2/1.fc43', '/etc'],
    [
      'a link to another release of prod behind dots',
      'vol/prod/packages/bash/5.2/1.fc43',
      '/mnt/prod/../x/packages/bash/5.2/1.fc43',
    ],
    ['a foreign convenience link', BASE, '../../../vol/../../etc'],
    ['a toplink to somewhere else', 'vol/prod/toplink', '/etc'],
    ['a relative toplink to nowhere', 'vol/prod/toplink', '../nowhere'],
  ])('calls %s a clash, touches nothing, and removes it never', async (_, path, text) => {
    trees.addBuild(aBuild())
    link(text, join(trees.staging, path))
    const before = snapshot(trees.staging)
    await expect(placement().place(aBuild())).rejects.toMatchObject({
      code: 'STORAGE_CLASH',
      message: expect.stringContaining(path),
    })
    expect(await placement().isPlaced(aBuild())).toBe(false)
    const { left } = await placement().remove(aBuild())
    if (!path.endsWith('toplink')) expect(left).toEqual([join(trees.staging, path)])
    expect(snapshot(trees.staging)).toEqual(before)
  })

  it("does not take the convenience link of staging's own build on a volume of its own", async () => {
    trees.addBuild(aBuild())
    mkdirSync(join(trees.staging, 'vol/stg/packages/bash/5.2/1.fc43'), { recursive: true })
    link('../../../vol/stg/packages/bash/5.2/1.fc43', join(trees.staging, BASE))
    await expect(placement().place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
    rmSync(join(trees.staging, 'vol/stg'), { recursive: true })
    await placement().place(aBuild())
    expect(links()).toEqual(placed)
  })

  it.each([
    'vol',
    'vol/prod',
    'vol/prod/packages',
    'vol/prod/packages/bash',
    'vol/prod/packages/bash/5.2',
    'packages/bash',
    'packages/bash/5.2',
  ])('follows no link at %s, neither into prod nor elsewhere', async (path) => {
    trees.addBuild(aBuild())
    for (const target of [join(trees.prod, path.replace(/^vol\/prod\/?/, '')), '/nowhere', trees.home]) {
      link(target, join(trees.staging, path))
      const before = snapshot(trees.home)
      await expect(placement().place(aBuild())).rejects.toMatchObject({
        code: 'STORAGE_CLASH',
        message: expect.stringContaining(path),
      })
      expect(await placement().isPlaced(aBuild())).toBe(false)
      await placement().remove(aBuild())
      expect(snapshot(trees.home)).toEqual(before)
      unlinkSync(join(trees.staging, path))
    }
  })

  it.each([
    ['prod', 'packages/bash/5.2'],
    ['prod', 'packages/bash'],
    ['elsewhere', 'packages/bash/5.2'],
    ['elsewhere', 'packages/bash'],
  ])(
    'writes nothing into %s when %s of the volume is swapped for a link there between two steps',
    async (where, path) => {
      const build = aBuild({ release: '2.fc43' })
      trees.addBuild(aBuild())
      trees.addBuild(build)
      const outside = join(trees.home, where)
      mkdirSync(join(outside, 'packages/bash/5.2'), { recursive: true })
      const before = snapshot(outside)
      const swappedOut = join(trees.staging, 'vol/prod', path)
      for (let nth = 1, swapped = true; swapped; nth++) {
        rmSync(trees.staging, { recursive: true })
        mkdirSync(join(trees.staging, 'packages'), { recursive: true })
        await placement().place(aBuild())
        let step = 0
        swapped = false
        const swap: Step = () => {
          if (++step === nth) {
            swapped = true
            renameSync(swappedOut, join(trees.staging, 'aside'))
            symlinkSync(join(outside, path), swappedOut)
          }
          return undefined
        }
        await placement(swap)
          .place(build)
          .catch(() => {})
        expect(snapshot(outside), `swapped at step ${nth}`).toEqual(before)
      }
    },
  )

  it("does not overwrite what staging's hub puts there at the last moment", async () => {
    trees.addBuild(aBuild())
    for (const put of [(path: string) => symlinkSync('/local', path), (path: string) => mkdirSync(path)]) {
      const path = join(trees.staging, BASE)
      const intrude: Step = (name, detail) => {
        const inBase = String(detail?.path).startsWith(join(trees.staging, 'packages/bash/5.2/.kss-'))
        if (name === 'file.symlink' && inBase) put(path)
        return undefined
      }
      await expect(placement(intrude).place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
      expect(namesOf(trees.staging).filter((name) => /fc43|kss/.test(name))).toEqual([BASE])
      rmSync(path, { recursive: true })
    }
  })

  it('refuses to write where staging is prod', async () => {
    trees.addBuild(aBuild())
    const before = snapshot(trees.prod)
    const mixed = placement(noStep, { stagingTopdir: trees.prod })
    await expect(mixed.place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_CLASH' })
    mkdirSync(join(trees.staging, 'vol'), { recursive: true })
    const other = aBuild({ name: 'zsh', version: '9', prodVolume: 'attic' })
    trees.addBuild(other)
    expect(snapshot(trees.prod).length).toBeGreaterThan(before.length)
    const now = snapshot(trees.prod)
    await expect(mixed.place(other)).rejects.toMatchObject({
      code: 'STORAGE_INSIDE_PROD',
      name: 'SafetyError',
    })
    expect(snapshot(trees.prod)).toEqual(now)
  })

  it("accepts a toplink as staging's hub makes it, also where it cannot be followed from here", async () => {
    trees.addBuild(aBuild())
    for (const text of ['/mnt/koji-as-the-hub-sees-it', trees.staging]) {
      link(text, join(trees.staging, 'vol/prod/toplink'))
      await placement().place(aBuild())
      expect(links()['vol/prod/toplink']).toBe(text)
      unlinkSync(join(trees.staging, 'vol/prod/toplink'))
    }
  })

  it('refuses the default volume as its volume', async () => {
    trees.addBuild(aBuild())
    await expect(placement().place(aBuild({ stagingVolume: 'DEFAULT' }))).rejects.toMatchObject({
      code: 'STORAGE_VOLUME_DEFAULT',
    })
  })

  it('takes a race with another daemon as done when that one placed the same', async () => {
    trees.addBuild(aBuild())
    let raced = false
    const race: Step = (name) => {
      if (name !== 'file.symlink' || raced) return undefined
      raced = true
      return placement().place(aBuild())
    }
    await placement(race).place(aBuild())
    expect([raced, links()]).toEqual([true, placed])
  })

  it("keeps a directory that staging's hub fills while it is being removed", async () => {
    trees.addBuild(aBuild())
    await placement().place(aBuild())
    const fill: Step = (name, detail) => {
      if (name === 'file.rmdir' && detail?.path === join(trees.staging, 'packages/bash/5.2'))
        mkdirSync(join(trees.staging, 'packages/bash/5.2/9.local'), { recursive: true })
      return undefined
    }
    expect(await placement(fill).remove(aBuild())).toEqual({ left: [] })
    expect(existsSync(join(trees.staging, 'packages/bash/5.2/9.local'))).toBe(true)
  })

  it('says whose file a link must be when it may not give it away', async () => {
    const dir = trees.addBuild(aBuild())
    if (root) chownSync(dir, 4711, 4711)
    const step = failAt('file.lchown', 'EPERM')
    const act = placement(step).place(aBuild())
    if (root) {
      await expect(act).rejects.toMatchObject({
        code: 'STORAGE_OWNER',
        message: expect.stringContaining('4711'),
      })
      expect(links()).toEqual({})
      await placement(step, { linkOwner: 'any' }).place(aBuild())
    } else await act
    expect(links()).toEqual(placed)
  })

  it.runIf(root)(
    'gives links the owner of their target, directories that of their parent, and mends an owner',
    async () => {
      const dir = trees.addBuild(aBuild())
      chownSync(dir, 4711, 4711)
      for (const path of ['', 'packages']) chownSync(join(trees.staging, path), 48, 48)
      await placement().place(aBuild())
      const uid = (path: string) => lstatSync(join(trees.staging, path)).uid
      expect([uid(BASE), uid(`vol/prod/${BASE}`), uid('vol/prod/toplink')]).toEqual([4711, 4711, 48])
      for (const path of [
        'vol',
        'vol/prod',
        'vol/prod/packages/bash/5.2',
        'packages/bash',
        'packages/bash/5.2',
      ])
        expect(uid(path)).toBe(48)
      lchownSync(join(trees.staging, BASE), 0, 0)
      expect(await placement().isPlaced(aBuild())).toBe(false)
      await placement().place(aBuild())
      expect(uid(BASE)).toBe(4711)
    },
  )

  it("lets staging's hub recycle and delete as it does, with no harm to prod, and places again", async () => {
    trees.addBuild(aBuild())
    const before = snapshot(trees.prod)
    const local = placement(noStep, { linkTarget: trees.prod })
    await local.place(aBuild())
    // recycle_build and _delete_build_symlinks: islink, unlink, on every volume.
    for (const path of [BASE, `vol/prod/${BASE}`]) {
      expect(lstatSync(join(trees.staging, path)).isSymbolicLink()).toBe(true)
      unlinkSync(join(trees.staging, path))
    }
    expect(snapshot(trees.prod)).toEqual(before)
    await local.place(aBuild())
    expect(await local.isPlaced(aBuild())).toBe(true)
    writeFileSync(join(trees.staging, 'packages/bash/readme'), '')
    expect(await local.remove(aBuild())).toEqual({ left: [] })
    expect(namesOf(join(trees.staging, 'packages'))).toEqual(['bash', 'bash/readme'])
  })
})
