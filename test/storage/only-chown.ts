/*
 * Run by only-chown.test.ts in a process of few rights: places one build with each placement, in each tree of the directory that it is
 * given, and says what came of it in one line of JSON.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import type { Placement } from '../../src/storage/placement.ts'

const [home = '', clones] = process.argv.slice(2)
process.umask(0o022)
if (clones === 'clones') {
  // As on a file system that shares blocks, where libuv gives the clone the mode of what it is of.
  const plain = fs.copyFileSync
  fs.copyFileSync = (from, to) => plain(from, to, fs.constants.COPYFILE_EXCL)
  syncBuiltinESMExports()
}

// Only now: they take Node's calls as they find them.
const { noStep } = await import('../../src/step.ts')
const { Transfers } = await import('../../src/storage/copy-limits.ts')
const { MountSource } = await import('../../src/storage/copy-mount.ts')
const { CopyPlacement } = await import('../../src/storage/copy-placement.ts')
const { FarmPlacement } = await import('../../src/storage/farm-placement.ts')
const { SteppedCopier } = await import('../../src/storage/crew.ts')
const { VolumePlacement } = await import('../../src/storage/volume-placement.ts')

const build = JSON.parse(fs.readFileSync(join(home, 'build.json'), 'utf8'))
const prod = join(home, 'prod')
const said: Record<string, string> = {}
for (const tree of fs.readdirSync(home).filter((name) => name.startsWith('staging'))) {
  const common = { stagingTopdir: join(home, tree), linkTarget: prod, fsync: true, step: noStep }
  const volume = new VolumePlacement({ ...common, prodTopdir: prod })
  const copy = new CopyPlacement({
    ...common,
    source: new MountSource({ prodTopdir: prod, step: noStep }),
    take: { arches: null, signedKeys: ['aabbccdd'], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 2 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: clones === 'clones', hardlink: false },
    reserveBytes: 0,
    fileMode: 0o644,
  })
  const placements: Placement[] = [volume, new FarmPlacement({ ...common, prodTopdir: prod }), copy]
  for (const placement of placements) {
    const one = { ...build, name: `${build.name}-${placement.mode}`, stagingVolume: `${placement.mode}s` }
    said[`${tree} ${placement.mode}`] = await placement.place(one).then(
      () => 'placed',
      (error: unknown) => `${(error as { code?: string }).code} ${String(error)}`,
    )
  }
  const many = ['many-1', 'many-2'].map((name) => ({ ...build, name, stagingVolume: 'volumes' }))
  const left = await volume.placeMany(many)
  said[`${tree} many`] =
    left.length === 0 ? 'placed' : `given back: ${left.map(({ name }) => name).join(' ')}`
}
process.stdout.write(JSON.stringify(said))
