import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BuildFile } from '../src/model/build-files.ts'
import { noStep } from '../src/step.ts'
import { Transfers } from '../src/storage/copy-limits.ts'
import { MountSource } from '../src/storage/copy-mount.ts'
import { CopyPlacement } from '../src/storage/copy-placement.ts'
import { ThreadCrew } from '../src/storage/crew.ts'
import type { PlacedBuild, Placement } from '../src/storage/placement.ts'
import { makeRpm, put, rpmFile } from '../test/storage/rpms.ts'
import { startSourceThread } from '../test/support/source-thread.ts'
import { type Result, result } from './results.ts'

const SMALL = { builds: 100, files: 100, bytes: 20_000 }
const LARGE = { files: 2, bytes: 1024 ** 3 }
const CHUNK = 64 * 1024 * 1024

/** Each is done so often, in turns; the middle one counts, since a disk has its moods. */
const ROUNDS = 5
const GOAL = 1.15

/** What prod's hub says of an archive: sha256, or md5 where it was imported by an older Koji (1.21 wrote md5, 1.25 writes sha256). */
const DIGESTS = ['sha256', 'md5'] as const
type Digest = (typeof DIGESTS)[number]

/**
 * Seconds for 10,000 rpms of 20 kB in 100 builds, and for two archives of 1 GiB, copied and judged, beside `cp -a` of the same tree on
 * the same file system: all until the bytes are on the disk (`sync -f`), the page cache being warm. `cp -a` judges nothing: the large
 * ones are also shown beside `cp -a` and then `openssl dgst` of all files, at the same time, each on a core of its own.
 */
export async function measureCopy(): Promise<Result[]> {
  // On a disk, not in memory: nobody's tree is there.
  const home = mkdtempSync(join(tmpdir(), 'kss-bench-copy-'))
  try {
    const small = smallBuilds(join(home, 'small'))
    const { ours, cp } = await compare(join(home, 'small'), small, { keeps: true, digest: null })
    const results = [result('copy, 10,000 rpms of 20 kB', 's', { value: ours, floor: cp, goal: GOAL })]
    for (const digest of DIGESTS) {
      const large = join(home, digest)
      const { ours, cp, judged } = await compare(large, largeBuild(large, digest), { keeps: false, digest })
      const title = `copy, 2 archives of 1 GiB, ${digest}`
      results.push(result(title, 's', { value: ours, floor: cp, goal: GOAL }))
      results.push(result(`${title} (cp -a, openssl)`, 's', { value: ours, floor: judged, goal: GOAL }))
      rmSync(large, { recursive: true })
    }
    return results
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** In turns, each first in every other round, and each into a place of its own: what was just deleted makes ext4 slow to make files anew. */
async function compare(
  home: string,
  builds: readonly PlacedBuild[],
  { keeps, digest }: { readonly keeps: boolean; readonly digest: Digest | null },
): Promise<Record<'ours' | 'cp' | 'judged', number>> {
  const prod = join(home, 'prod')
  const crew = new ThreadCrew(Math.min(4, availableParallelism()), startSourceThread)
  const cp = async (out: string) => void execFileSync('cp', ['-a', prod, join(out, 'copied')])
  const ways = {
    ours: (out: string) => placeAll(copyOf(home, crew, out), builds),
    cp,
    judged: async (out: string) => {
      await cp(out)
      if (digest !== null) await Promise.all(builds.flatMap((build) => opensslOf(home, build, digest)))
    },
  }
  const names = digest === null ? (['ours', 'cp'] as const) : (['ours', 'cp', 'judged'] as const)
  const took = { ours: [] as number[], cp: [] as number[], judged: [] as number[] }
  for (let round = -1; round < ROUNDS; round++) {
    for (const who of round % 2 === 0 ? [...names].reverse() : names) {
      const out = join(home, `${who}-${round}`)
      const seconds = await timed(home, out, () => ways[who](out))
      if (!keeps) rmSync(out, { recursive: true })
      // The first round warms all up: the page cache, our threads.
      if (round >= 0) took[who].push(seconds)
    }
  }
  return { ours: middle(took.ours), cp: middle(took.cp), judged: middle(took.judged) }
}

function opensslOf(home: string, build: PlacedBuild, digest: Digest): Promise<unknown>[] {
  return build.files.map(({ path }) =>
    promisify(execFile)('openssl', ['dgst', `-${digest}`, join(directoryOf(home, build.buildId), ...path)]),
  )
}

/** Until it is on the disk. */
async function timed(home: string, out: string, work: () => Promise<void>): Promise<number> {
  mkdirSync(join(out, 'packages'), { recursive: true })
  execFileSync('sync', ['-f', home])
  const begun = performance.now()
  await work()
  execFileSync('sync', ['-f', home])
  return (performance.now() - begun) / 1000
}

export function copyOf(home: string, copier: ThreadCrew, out = join(home, 'staging')): CopyPlacement {
  const prod = join(home, 'prod')
  return new CopyPlacement({
    source: new MountSource({ prodTopdir: prod, step: noStep }),
    stagingTopdir: out,
    linkTarget: prod,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 8 }),
    copier,
    sharing: { reflink: true, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step: noStep,
  })
}

/** Four builds at a time, as a daemon has several in hand. */
export async function placeAll(placement: Placement, builds: readonly PlacedBuild[]): Promise<void> {
  const waiting = builds.values()
  const worker = async (): Promise<void> => {
    for (const build of waiting) await placement.place(build)
  }
  await Promise.all([worker(), worker(), worker(), worker()])
}

function middle(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] as number
}

function smallBuilds(home: string): PlacedBuild[] {
  return Array.from({ length: SMALL.builds }, (_, number) => {
    const files = Array.from({ length: SMALL.files }, (_, i) => {
      const rpm = makeRpm(randomBytes(SMALL.bytes - 200))
      const file = rpmFile(`p-${number}-${i}.x86_64.rpm`, rpm)
      put(directoryOf(home, number), file.path, rpm.bytes)
      return file
    })
    return placed(number, files)
  })
}

function largeBuild(home: string, type: Digest): PlacedBuild[] {
  const files = Array.from({ length: LARGE.files }, (_, i): BuildFile => {
    const chunk = randomBytes(CHUNK)
    const path = put(directoryOf(home, 1), ['images', `${i}.img`], '')
    const hash = createHash(type)
    for (let at = 0; at < LARGE.bytes; at += CHUNK) {
      writeFileSync(path, chunk, { flag: 'a' })
      hash.update(chunk)
    }
    const digest = { type, hex: hash.digest('hex') }
    return { kind: 'archive', path: ['images', `${i}.img`], size: LARGE.bytes, subdirectory: false, digest }
  })
  return [placed(1, files)]
}

function directoryOf(home: string, number: number): string {
  return join(home, 'prod', 'packages', `p${number}`, '1', '1')
}

function placed(number: number, files: readonly BuildFile[]): PlacedBuild {
  const names = {
    name: `p${number}`,
    version: '1',
    release: '1',
    prodVolume: 'DEFAULT',
    stagingVolume: 'prod-copy',
  }
  return { ...names, buildId: number, withoutFiles: false, files, sigkeys: [], formerVolumes: [] }
}
