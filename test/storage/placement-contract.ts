import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KeyError, OutageError } from '../../src/errors.ts'
import { noStep, type Step } from '../../src/step.ts'
import type { PlacedBuild, Placement } from '../../src/storage/placement.ts'
import { aBuild, makeTrees, namesOf, snapshot, type Trees } from './trees.ts'

/** Makes the placement under test for two trees. */
export type MakePlacement = (trees: Trees, step: Step) => Placement

/** Calls that leave the disk as it is: a kill at one of them is a kill at the next that does not. */
const LOOKS = /^file\.(lstat|stat|fstat|readlink|realpath|read|pread|statfs|access|list|open)$/

/** Stops everything before a step that changes the disk, as a killed process does: not even cleaning up runs. */
export function dieAt(step: number): { readonly step: Step; count: number } {
  const state = {
    count: 0,
    step: ((name) => {
      if (!LOOKS.test(name)) state.count++
      if (state.count >= step) throw new Error('killed')
      return undefined
    }) as Step,
  }
  return state
}

/** Fails the n-th call of a verb with an errno, once. */
export function failAt(verb: string, errno: string, nth = 1, side?: string): Step {
  let seen = 0
  return (name, detail) => {
    if (name !== verb || (side !== undefined && detail?.side !== side) || ++seen !== nth) return undefined
    throw Object.assign(new Error(`${errno}: injected`), { code: errno })
  }
}

/**
 * What every placement owes, whatever it makes of a build. Run it with a factory. `adopts`: a directory under a build's name is a
 * snapshot's, never somebody's own.
 */
export function placementContract(
  title: string,
  make: MakePlacement,
  { adopts = false }: { readonly adopts?: boolean } = {},
): void {
  describe(`${title} keeps the contract of placements`, () => {
    let trees: Trees
    beforeEach(() => {
      trees = makeTrees()
    })
    afterEach(() => trees.destroy())

    const hubPath = (build: PlacedBuild): string =>
      join(trees.staging, 'vol', build.stagingVolume, 'packages', build.name, build.version, build.release)
    const basePath = (build: PlacedBuild): string =>
      join(trees.staging, 'packages', build.name, build.version, build.release)

    it('makes every path resolve that Koji would open, on the volume and on the default one', async () => {
      trees.addBuild(aBuild())
      const placement = make(trees, noStep)
      expect(await placement.isPlaced(aBuild())).toBe(false)
      await placement.place(aBuild())
      expect(await placement.isPlaced(aBuild())).toBe(true)
      for (const path of [hubPath(aBuild()), basePath(aBuild())])
        expect(readFileSync(join(path, 'x86_64/a.rpm'), 'utf8')).toBe('rpm of 1.fc43')
    })

    it('writes nothing when it places what is placed, nor when it looks', async () => {
      trees.addBuild(aBuild())
      await make(trees, noStep).place(aBuild())
      const before = snapshot(trees.staging)
      const verbs = new Set<string>()
      const watched = make(trees, (name) => void verbs.add(name))
      await watched.place(aBuild())
      await watched.isPlaced(aBuild())
      expect(snapshot(trees.staging)).toEqual(before)
      for (const verb of ['mkdir', 'symlink', 'rename', 'unlink', 'rmdir', 'lchown', 'chmod', 'sync'])
        expect(verbs).not.toContain(`file.${verb}`)
    })

    it('leaves prod byte- and time-equal through placing, looking and removing', async () => {
      trees.addBuild(aBuild())
      const before = snapshot(trees.prod)
      const placement = make(trees, noStep)
      await placement.place(aBuild())
      await placement.isPlaced(aBuild())
      await placement.remove(aBuild())
      expect(snapshot(trees.prod)).toEqual(before)
    })

    it('takes away all that it made, and removing again is no error', async () => {
      trees.addBuild(aBuild())
      const placement = make(trees, noStep)
      await placement.place(aBuild())
      expect(await placement.remove(aBuild())).toEqual({ left: [] })
      expect(
        namesOf(trees.staging).filter((name) => !/^vol(\/prod(\/packages|\/toplink)?)?$/.test(name)),
      ).toEqual(['packages'])
      expect(await placement.remove(aBuild())).toEqual({ left: [] })
    })

    it('keeps other builds of the same version when it removes one', async () => {
      const other = aBuild({ buildId: 102, release: '2.fc43' })
      trees.addBuild(aBuild())
      trees.addBuild(other)
      const placement = make(trees, noStep)
      await placement.place(aBuild())
      await placement.place(other)
      await placement.remove(aBuild())
      expect(await placement.isPlaced(other)).toBe(true)
      expect(existsSync(hubPath(aBuild()))).toBe(false)
    })

    it('names a build that prod does not have, and makes nothing for it', async () => {
      trees.addBuild(aBuild({ name: 'zsh' }))
      const before = snapshot(trees.staging)
      const error = await make(trees, noStep)
        .place(aBuild())
        .catch((e: unknown) => e)
      expect(error).toBeInstanceOf(KeyError)
      expect(error).toMatchObject({
        code: 'STORAGE_SOURCE_MISSING',
        message: expect.stringContaining(`${trees.prod}/packages/bash/5.2/1.fc43`),
      })
      expect(snapshot(trees.staging)).toEqual(before)
    })

    it.each(['topdir', 'packages', 'empty'])(
      'calls a prod tree that is not there (%s) an outage',
      async (how) => {
        if (how === 'topdir') rmSync(trees.prod, { recursive: true })
        else rmSync(join(trees.prod, 'packages'), { recursive: true })
        if (how === 'empty') mkdirSync(join(trees.prod, 'packages'))
        const error = await make(trees, noStep)
          .place(aBuild())
          .catch((e: unknown) => e)
        expect(error).toBeInstanceOf(OutageError)
        expect(error).toMatchObject({ part: 'storage', code: 'STORAGE_MOUNT' })
      },
    )

    it('does not fill the empty mount point of a staging tree that is not mounted', async () => {
      trees.addBuild(aBuild())
      rmSync(join(trees.staging, 'packages'), { recursive: true })
      await expect(make(trees, noStep).place(aBuild())).rejects.toMatchObject({
        part: 'storage',
        code: 'STORAGE_DISK',
      })
      expect(namesOf(trees.staging)).toEqual([])
    })

    it('touches nothing where staging has a build of its own', async () => {
      trees.addBuild(aBuild())
      for (const path of adopts ? [basePath(aBuild())] : [hubPath(aBuild()), basePath(aBuild())]) {
        mkdirSync(path, { recursive: true })
        writeFileSync(join(path, 'local.rpm'), 'local')
        const before = snapshot(trees.staging)
        await expect(make(trees, noStep).place(aBuild())).rejects.toMatchObject({
          code: 'STORAGE_CLASH',
          message: expect.stringContaining(path),
        })
        expect(snapshot(trees.staging)).toEqual(before)
        rmSync(path, { recursive: true })
      }
    })

    it('leaves and names what staging put in the place of what it made', async () => {
      trees.addBuild(aBuild())
      const placement = make(trees, noStep)
      await placement.place(aBuild())
      rmSync(hubPath(aBuild()), { recursive: true })
      mkdirSync(hubPath(aBuild()))
      writeFileSync(join(hubPath(aBuild()), 'local.rpm'), 'local')
      const { left } = await placement.remove(aBuild())
      expect(left).toContain(hubPath(aBuild()))
      expect(readFileSync(join(basePath(aBuild()), 'local.rpm'), 'utf8')).toBe('local')
    })

    it.each([
      ['package name', { name: '..' }],
      ['package name', { name: 'a/b' }],
      ['version', { version: '' }],
      ['version', { version: '1\n2' }],
      ['release', { release: '.' }],
      ['release', { release: 'x'.repeat(256) }],
      ['release', { release: '\ud800' }],
      ['release', { release: 'a\0b' }],
      ['volume', { prodVolume: '../../etc' }],
      ['volume', { stagingVolume: 'a/../b' }],
    ])('takes no path from an unsafe %s %j', async (field, changes) => {
      const before = snapshot(trees.home)
      const placement = make(trees, noStep)
      for (const act of ['place', 'isPlaced', 'remove'] as const) {
        if (act === 'remove' && 'prodVolume' in changes) continue
        const error = await Promise.resolve(placement[act](aBuild(changes))).catch((e: unknown) => e)
        expect(error).toMatchObject({ code: 'STORAGE_NAME_UNSAFE', message: expect.stringContaining(field) })
      }
      expect(snapshot(trees.home)).toEqual(before)
    })

    it('takes names of 255 bytes, and every sign that Koji allows', async () => {
      const build = aBuild({
        name: 'é'.repeat(127),
        version: "4.0^2025~beta'2 $(x)",
        release: 'r'.repeat(255),
      })
      trees.addBuild(build)
      const placement = make(trees, noStep)
      await placement.place(build)
      expect(await placement.isPlaced(build)).toBe(true)
      expect(await placement.remove(build)).toEqual({ left: [] })
    })

    it.each([
      ['EROFS', 'an outage'],
      ['ENOSPC', 'an outage'],
      ['EDQUOT', 'an outage'],
      ["EACCES of one build's directory", 'its own error'],
      ["EIO of one build's directory", 'its own error'],
    ])('calls %s of staging %s at every step, and leaves nothing', async (title, meaning) => {
      const errno = title.split(' ')[0] ?? ''
      const outage = meaning === 'an outage'
      trees.addBuild(aBuild())
      const before = snapshot(trees.staging, { times: false })
      const verbs = await writingSteps(trees, make)
      expect(verbs.length).toBeGreaterThan(5)
      for (const [verb, nth] of verbs) {
        const error = await make(trees, failAt(verb, errno, nth))
          .place(aBuild())
          .catch((e: unknown) => e)
        expect(error, `${verb} ${nth}`).toBeInstanceOf(outage ? OutageError : KeyError)
        expect(error).toMatchObject({ message: expect.stringContaining(errno) })
        expect(snapshot(trees.staging, { times: false }), `${verb} ${nth}`).toEqual(before)
      }
    })

    it("calls one directory of prod that cannot be read that build's own error, and the whole mount an outage", async () => {
      trees.addBuild(aBuild())
      const one = make(trees, failAt('file.lstat', 'EACCES', 1, 'prod'))
      await expect(one.place(aBuild())).rejects.toMatchObject({ code: 'STORAGE_BUILD_SICK' })
      const dead: Step = (name, detail) => {
        const reads = name === 'file.lstat' || name === 'file.stat' || name === 'file.list'
        if (reads && detail?.side === 'prod') throw Object.assign(new Error('EIO'), { code: 'EIO' })
        return undefined
      }
      await expect(make(trees, dead).place(aBuild())).rejects.toMatchObject({
        part: 'storage',
        code: 'STORAGE_MOUNT',
      })
    })

    it.each(['ESTALE', 'ENOTCONN'])('calls %s of the mount an outage', async (errno) => {
      trees.addBuild(aBuild())
      for (const verb of ['file.lstat', 'file.realpath']) {
        const placement = make(trees, failAt(verb, errno, 1, 'prod'))
        await expect(placement.place(aBuild())).rejects.toMatchObject({
          part: 'storage',
          code: 'STORAGE_MOUNT',
        })
      }
    })

    it('heals a kill at any step of placing: the next try ends as if nothing had been', async () => {
      trees.addBuild(aBuild())
      await make(trees, noStep).place(aBuild())
      const right = snapshot(trees.staging, { times: false })
      let died = true
      for (let step = 1; died; step++) {
        rmSync(trees.staging, { recursive: true })
        mkdirSync(join(trees.staging, 'packages'), { recursive: true })
        died = await make(trees, dieAt(step).step)
          .place(aBuild())
          .then(
            () => false,
            () => true,
          )
        // Whatever has a final name is whole.
        if (existsSync(basePath(aBuild())))
          expect(existsSync(join(basePath(aBuild()), 'x86_64/a.rpm'))).toBe(true)
        await make(trees, noStep).place(aBuild())
        expect(snapshot(trees.staging, { times: false }), `step ${step}`).toEqual(right)
      }
    })

    it('heals a kill at any step of placing by removing, and one at any step of removing', async () => {
      trees.addBuild(aBuild())
      const clean = (): string[] =>
        namesOf(trees.staging).filter(
          (name) => !/^(packages|vol(\/prod(\/packages|\/toplink)?)?)$/.test(name),
        )
      for (const first of ['place', 'remove'] as const) {
        let died = true
        for (let step = 1; died; step++) {
          if (first === 'remove') await make(trees, noStep).place(aBuild())
          died = await Promise.resolve(make(trees, dieAt(step).step)[first](aBuild())).then(
            () => false,
            () => true,
          )
          expect(await make(trees, noStep).remove(aBuild())).toEqual({ left: [] })
          expect(clean(), `${first} ${step}`).toEqual([])
        }
      }
    })

    it('places many builds of one version at once', async () => {
      const builds = Array.from({ length: 24 }, (_, i) => aBuild({ buildId: i, release: `${i}` }))
      for (const build of builds) trees.addBuild(build)
      const placement = make(trees, noStep)
      await Promise.all(builds.map((build) => placement.place(build)))
      for (const build of builds) expect(await placement.isPlaced(build)).toBe(true)
      expect(namesOf(trees.staging).filter((name) => name.includes('.kss-'))).toEqual([])
    })
  })
}

/** The writing calls of one placing, each as its verb and how many of that verb came so far. */
async function writingSteps(trees: Trees, make: MakePlacement): Promise<[string, number][]> {
  const steps: [string, number][] = []
  const counts = new Map<string, number>()
  const placement = make(trees, (name) => {
    const nth = (counts.get(name) ?? 0) + 1
    counts.set(name, nth)
    if (/mkdir|symlink|rename|sync/.test(name)) steps.push([name, nth])
    return undefined
  })
  await placement.place(aBuild())
  rmSync(trees.staging, { recursive: true })
  mkdirSync(join(trees.staging, 'packages'), { recursive: true })
  return steps
}
