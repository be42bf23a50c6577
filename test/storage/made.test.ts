import { lstatSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { noStep } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { FarmPlacement } from '../../src/storage/farm-placement.ts'
import type { Made } from '../../src/storage/files.ts'
import type { PlacedBuild, Placement } from '../../src/storage/placement.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { putBuild } from './rpms.ts'
import { aBuild, makeTrees, namesOf, type Trees } from './trees.ts'

let trees: Trees
let build: PlacedBuild
beforeEach(() => {
  trees = makeTrees()
  build = aBuild({ stagingVolume: 'made', files: putBuild(trees.addBuild(aBuild())).files })
})
afterEach(() => trees.destroy())

/** Only root gives files away; others are told to keep them. */
const isRoot = process.geteuid?.() === 0
const made: Made = {
  uid: isRoot ? 12_345 : (process.geteuid?.() ?? 0),
  gid: isRoot ? 23_456 : (process.getegid?.() ?? 0),
  directoryMode: 0o2771,
}

function placement(mode: Placement['mode']): Placement {
  const common = { stagingTopdir: trees.staging, linkTarget: trees.prod, fsync: false, made, step: noStep }
  const links = { ...common, prodTopdir: trees.prod }
  if (mode === 'volume') return new VolumePlacement(links)
  if (mode === 'farm') return new FarmPlacement(links)
  return new CopyPlacement({
    ...common,
    source: new MountSource({ prodTopdir: trees.prod, step: noStep }),
    take: { arches: null, signedKeys: ['aabbccdd'], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 2 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: true, hardlink: false },
    reserveBytes: 0,
    fileMode: 0o640,
  })
}

it.each(['volume', 'farm', 'copy'] as const)(
  'what placement %s makes has the configured owner, group and mode, links the owner of what they lead to',
  async (mode) => {
    const prodUid = lstatSync(join(trees.prod, 'packages/bash/5.2/1.fc43')).uid
    mkdirSync(join(trees.staging, 'vol'))
    await placement(mode).place(build)
    for (const name of namesOf(trees.staging)) {
      // What was there before, and our own word on what we brought.
      if (['packages', 'vol'].includes(name) || name.endsWith('.koji-staging-sync.json')) continue
      const found = lstatSync(join(trees.staging, name))
      if (found.isSymbolicLink()) {
        const target = statSync(join(trees.staging, name))
        if (name.endsWith('toplink') || mode === 'copy') continue
        expect(`${name} ${found.uid}`).toBe(
          `${name} ${name.startsWith('packages') && mode === 'farm' ? target.uid : prodUid}`,
        )
        continue
      }
      expect(`${name} ${found.uid}:${found.gid}`).toBe(`${name} ${made.uid}:${made.gid}`)
      if (found.isDirectory()) expect(`${name} ${(found.mode & 0o7777).toString(8)}`).toBe(`${name} 2771`)
      else if (mode === 'copy') expect(`${name} ${(found.mode & 0o7777).toString(8)}`).toBe(`${name} 640`)
    }
    expect(await placement(mode).isPlaced(build)).toBe(true)
  },
)
