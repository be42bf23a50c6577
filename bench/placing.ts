import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { noStep } from '../src/step.ts'
import { ThreadCrew } from '../src/storage/crew.ts'
import { FarmPlacement } from '../src/storage/farm-placement.ts'
import type { PlacedBuild, Placement } from '../src/storage/placement.ts'
import { VolumePlacement } from '../src/storage/volume-placement.ts'
import { makeRpm, put, rpmFile } from '../test/storage/rpms.ts'
import { startSourceThread } from '../test/support/source-thread.ts'
import { copyOf, placeAll } from './copy.ts'
import { type Result, result } from './results.ts'

const BUILDS = 10_000
/** A build of middle size: Fedora has some 20 rpms a build, of 2 MB. */
const RPMS = 20
const RPM_BYTES = 2_000_000
/** All 10,000 would be 400 GB: so many are copied, and the time of all is told from theirs. */
const COPIED = 50
/** The ratio that is aimed at: at least 20 times faster than `copy`. */
const GOAL = 0.05

/**
 * Seconds for the links of 10,000 builds of 20 rpms of 2 MB, by `volume` and by `farm`, beside what `copy` takes for as many (from 50 of
 * them); all until they are on the disk (`sync -f`). Prod's rpms are names of a few files.
 */
export async function measurePlacing(): Promise<Result[]> {
  const home = mkdtempSync(join(tmpdir(), 'kss-bench-placing-'))
  try {
    const builds = makeBuilds(home)
    const crew = new ThreadCrew(4, startSourceThread)
    const copy = (out: string) => copyOf(home, crew, out)
    // The first few warm up: our threads, the page cache.
    await seconds(home, copy, builds.slice(0, 5))
    const copied = await seconds(home, copy, builds.slice(5, 5 + COPIED))
    const floor = (copied / COPIED) * BUILDS
    const linked = (out: string) => ({
      prodTopdir: join(home, 'prod'),
      linkTarget: join(home, 'prod'),
      stagingTopdir: out,
      fsync: false,
      step: noStep,
    })
    const results: Result[] = []
    for (const make of [
      (out: string) => new VolumePlacement(linked(out)),
      (out: string) => new FarmPlacement(linked(out)),
    ]) {
      const { mode } = make(home)
      const value = await seconds(home, make, builds)
      results.push(result(`${mode}, 10,000 builds (copy)`, 's', { value, floor, goal: GOAL }))
    }
    return results
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** Each into a place of its own: what was just deleted makes ext4 slow to make files anew. */
async function seconds(
  home: string,
  make: (out: string) => Placement,
  builds: readonly PlacedBuild[],
): Promise<number> {
  const out = mkdtempSync(join(home, 'staging-'))
  mkdirSync(join(out, 'packages'))
  execFileSync('sync', ['-f', home])
  const begun = performance.now()
  await placeAll(make(out), builds)
  execFileSync('sync', ['-f', home])
  return (performance.now() - begun) / 1000
}

function makeBuilds(home: string): PlacedBuild[] {
  const rpms = Array.from({ length: RPMS }, (_, i) => {
    const rpm = makeRpm(randomBytes(RPM_BYTES))
    return { path: put(home, [`${i}.rpm`], rpm.bytes), file: rpmFile(`p-${i}.x86_64.rpm`, rpm) }
  })
  return Array.from({ length: BUILDS }, (_, number) => {
    const directory = join(home, 'prod', 'packages', `p${number}`, '1', '1')
    mkdirSync(join(directory, 'x86_64'), { recursive: true })
    for (const { path, file } of rpms) linkSync(path, join(directory, ...file.path))
    return {
      name: `p${number}`,
      version: '1',
      release: '1',
      prodVolume: 'DEFAULT',
      stagingVolume: 'prod',
      buildId: number,
      withoutFiles: false,
      files: rpms.map(({ file }) => file),
      sigkeys: [],
      formerVolumes: [],
    }
  })
}
