import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { buildDir } from '../../src/model/paths.ts'
import { noStep, type Step } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { FarmPlacement } from '../../src/storage/farm-placement.ts'
import { InPlacePlacement } from '../../src/storage/in-place.ts'
import type { PlacedBuild, Placement, PlacementMode } from '../../src/storage/placement.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { dieAt } from './placement-contract.ts'
import { put, putBuild } from './rpms.ts'
import { aBuild, makeTrees, namesOf, snapshot, type Trees } from './trees.ts'

/*
 * A build whose rule changes moves from one placement to another, as `converge/build/files` moves it: placed anew, then (the rows are
 * written) what it was is taken away.
 */

/** Staging's volume of each mode, as `operations/placements` names it. */
const VOLUMES = { volume: 'prod', farm: 'prod-farm', copy: 'prod-copy', 'in-place': 'DEFAULT' } as const
const MODES = Object.keys(VOLUMES) as PlacementMode[]
const PAIRS = MODES.flatMap((from) => MODES.filter((to) => to !== from).map((to) => [from, to] as const))
const RPM = 'x86_64/bash-5.2-1.fc43.x86_64.rpm'
/** made by staging's hub */
const OWN = 'data/sigcache/beef0001/x86_64/bash-5.2-1.fc43.x86_64.rpm.sig'

let trees: Trees
let files: PlacedBuild['files']
let source: string
beforeEach(() => {
  trees = makeTrees()
  source = trees.addBuild(aBuild())
  rmSync(source, { recursive: true })
  files = putBuild(source).files
})
afterEach(() => trees.destroy())

function placementOf(mode: PlacementMode, step: Step = noStep): Placement {
  const { prod, staging } = trees
  const made = { linkTarget: prod, stagingTopdir: staging, fsync: false, step }
  const linked = { ...made, prodTopdir: prod, linkOwner: 'any' as const }
  if (mode === 'volume') return new VolumePlacement(linked)
  if (mode === 'farm') return new FarmPlacement(linked)
  return new (mode === 'copy' ? CopyPlacement : InPlacePlacement)({
    ...made,
    source: new MountSource({ prodTopdir: prod, step }),
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 1 }),
    copier: new SteppedCopier(step),
    sharing: { reflink: true, hardlink: false },
    reserveBytes: 0,
    fileMode: 0o644,
  })
}

/** A build as its converger names it while it stands on these volumes by record. */
const buildIn = (mode: PlacementMode, ...former: PlacementMode[]): PlacedBuild => ({
  ...aBuild(),
  files: mode === 'volume' ? [] : files,
  stagingVolume: VOLUMES[mode],
  formerVolumes: [mode, ...former].map((one) => VOLUMES[one]),
})

const at = (mode: PlacementMode): string => buildDir(trees.staging, { ...aBuild(), volume: VOLUMES[mode] })

/** Where Koji looks: on the build's volume, and for those who know no volumes. */
const bothPaths = (mode: PlacementMode): string[] => [at(mode), at('in-place')]

async function settled(mode: PlacementMode, note: string): Promise<void> {
  expect(await placementOf(mode).isPlaced(buildIn(mode)), note).toBe(true)
  for (const path of bothPaths(mode))
    expect(readFileSync(join(path, RPM)), note).toEqual(readFileSync(join(source, RPM)))
  const builds = namesOf(trees.staging).filter((name) => /packages\/bash\/5\.2\/[^/]+$/.test(name))
  const volume = VOLUMES[mode] === 'DEFAULT' ? [] : [`vol/${VOLUMES[mode]}/packages/bash/5.2/1.fc43`]
  expect(builds, note).toEqual(['packages/bash/5.2/1.fc43', ...volume])
  expect(
    namesOf(trees.staging).filter((name) => name.includes('.kss-')),
    note,
  ).toEqual([])
}

it.each(PAIRS)(
  'a build moves from %s to %s; its file is there whenever a row names it, and of prod nothing changes',
  async (from, to) => {
    const before = snapshot(trees.prod)
    await placementOf(from).place(buildIn(from))
    for (let again = 0; again < 2; again++) {
      await placementOf(to).place(buildIn(to, from))
      expect(await placementOf(to).isPlaced(buildIn(to, from))).toBe(true)
    }
    // The rows still name the former place, then the new one.
    for (const path of [...bothPaths(from), ...bothPaths(to)])
      expect(existsSync(join(path, RPM)), path).toBe(true)
    for (const note of ['once', 'again']) {
      expect(await placementOf(from).remove(buildIn(from), buildIn(to))).toEqual({ left: [] })
      await settled(to, note)
    }
    expect(await placementOf(to).remove(buildIn(to))).toEqual({ left: [] })
    expect(existsSync(join(trees.staging, 'packages/bash'))).toBe(false)
    expect(snapshot(trees.prod)).toEqual(before)
  },
)

/** Of the steps of a move, each pair is killed at others; 1: at all. */
const STRIDE = Number(process.env.KSS_TEST_STRIDE ?? 60)

it('a kill at any step of a move is healed, and the rows never name what is not there', async () => {
  for (const [i, [from, to]] of PAIRS.entries()) {
    const missing = (mode: PlacementMode): boolean => !existsSync(join(at(mode), RPM))
    for (const part of ['place', 'remove'] as const) {
      let died = true
      for (let step = 1 + (i % STRIDE); died; step += STRIDE) {
        const note = `${from} to ${to}, ${part} ${step}`
        rmSync(trees.staging, { recursive: true })
        mkdirSync(join(trees.staging, 'packages'), { recursive: true })
        await placementOf(from).place(buildIn(from))
        if (part === 'remove') await placementOf(to).place(buildIn(to, from))
        const { step: mortal } = dieAt(step)
        died = await (part === 'place'
          ? placementOf(to, mortal).place(buildIn(to, from))
          : placementOf(from, mortal).remove(buildIn(from), buildIn(to))
        ).then(
          () => false,
          () => true,
        )
        expect(missing(part === 'place' ? from : to), note).toBe(false)
        await placementOf(to).place(buildIn(to, from))
        expect(missing(from) && part === 'place', note).toBe(false)
        expect(await placementOf(from).remove(buildIn(from), buildIn(to)), note).toEqual({ left: [] })
        await settled(to, note)
      }
    }
  }
})

it.each(['copy', 'farm', 'volume'] as const)(
  'a kill before the first toplink of the volume of %s has its name is healed',
  async (to) => {
    await placementOf('in-place').place(buildIn('in-place'))
    let dead = false
    const mortal: Step = (name, detail) => {
      dead ||= /rename/.test(name) && JSON.stringify(detail).includes('toplink')
      if (dead) throw new Error('killed')
      return undefined
    }
    await expect(placementOf(to, mortal).place(buildIn(to, 'in-place'))).rejects.toThrow('killed')
    await placementOf(to).place(buildIn(to, 'in-place'))
    await placementOf('in-place').remove(buildIn('in-place'), buildIn(to))
    await settled(to, '')
    expect(namesOf(trees.staging)).toContain(`vol/${VOLUMES[to]}/toplink`)
  },
)

/** Staging's signature cannot become a name on the other volume. */
function otherDisk(): Step {
  let told = false
  return (name, detail) => {
    if (told || !/rename|link$/.test(name) || !String(detail?.path).endsWith(OWN)) return undefined
    told = true
    throw Object.assign(new Error('EXDEV'), { code: 'EXDEV' })
  }
}

it.each(PAIRS.filter(([from]) => from !== 'volume'))(
  'what staging has signed moves from %s to %s, or stays where nothing of the kind can stand, and is named',
  async (from, to) => {
    for (const error of [null, 'EXDEV']) {
      await placementOf(from).place(buildIn(from))
      put(at(from), OWN.split('/'), 'of staging')
      await placementOf(to).place(buildIn(to, from))
      const { left } = await placementOf(from, error === null ? noStep : otherDisk()).remove(
        buildIn(from),
        buildIn(to),
      )
      const path = join(at(to === 'volume' ? from : to), OWN)
      expect(readFileSync(path, 'utf8')).toBe('of staging')
      if (to === 'volume') expect(left).toContain(path)
      else await settled(to, '')
      rmSync(trees.staging, { recursive: true })
      mkdirSync(join(trees.staging, 'packages'), { recursive: true })
    }
  },
)
