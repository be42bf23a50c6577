import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildFile } from '../../src/model/build-files.ts'
import { noStep } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { InPlacePlacement } from '../../src/storage/in-place.ts'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { type MakePlacement, placementContract } from './placement-contract.ts'
import { archiveFile } from './rpms.ts'
import { prodDir } from './trees.ts'

const make =
  (Kind: typeof CopyPlacement): MakePlacement =>
  (trees, step) => {
    const placement = new Kind({
      source: new MountSource({ prodTopdir: trees.prod, step }),
      stagingTopdir: trees.staging,
      linkTarget: trees.prod,
      take: { arches: null, signedKeys: [], sigcache: true, logs: true },
      transfers: new Transfers({ bytesPerSecond: null, openTransfers: 1 }),
      copier: new SteppedCopier(step),
      sharing: { reflink: true, hardlink: false },
      // What only heals or looks need not outlive a loss of power.
      fsync: step !== noStep,
      reserveBytes: 0,
      fileMode: 0o644,
      step,
    })
    /** The contract's one file, as a row would name it. */
    const named = (build: PlacedBuild): PlacedBuild => {
      const path = ['x86_64', 'a.rpm']
      const safe = !/[/\0]|^\.*$/.test(`${build.name}${build.release}`)
      const at = safe ? join(prodDir(trees.prod, build), ...path) : ''
      const files: BuildFile[] = existsSync(at) ? [archiveFile(path, readFileSync(at))] : []
      return { ...build, files: build.files.length === 0 ? files : build.files }
    }
    return {
      mode: placement.mode,
      probe: () => placement.probe(),
      isPlaced: (build) => placement.isPlaced(named(build)),
      place: (build) => placement.place(named(build)),
      tidy: (build) => placement.tidy(named(build)),
      inspect: (build) => placement.inspect(named(build)),
      standsAlready: (at) => placement.standsAlready(at),
      remove: (build, successor) => placement.remove(build, successor),
    }
  }

placementContract('placement copy', make(CopyPlacement))
placementContract('placement in-place', make(InPlacePlacement), { adopts: true })
