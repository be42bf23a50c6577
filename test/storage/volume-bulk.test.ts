import { chmodSync, mkdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'
import { noStep } from '../../src/step.ts'
import { ThreadVolumePlacer } from '../../src/storage/volume-crew.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { startSourceThread } from '../support/source-thread.ts'
import { aBuild, link, makeTrees, snapshot, type Trees } from './trees.ts'

function twoTrees(): [Trees, Trees] {
  const both: [Trees, Trees] = [makeTrees(), makeTrees()]
  onTestFinished(() => {
    for (const trees of both) trees.destroy()
  })
  return both
}

const placement = (trees: Trees) =>
  new VolumePlacement({
    prodTopdir: trees.prod,
    linkTarget: '/mnt/prod',
    stagingTopdir: trees.staging,
    fsync: false,
    step: noStep,
  })

const BUILDS = [
  aBuild(),
  aBuild({ buildId: 102, release: '2.fc43' }),
  aBuild({ buildId: 103, version: '5.3' }),
  aBuild({ buildId: 104, name: 'zsh' }),
  aBuild({ buildId: 105, name: 'old', prodVolume: 'attic', stagingVolume: 'prod-attic' }),
]

it('places many plain builds at once, each as it would be placed alone, and gives none of them back', async () => {
  const [many, each] = twoTrees()
  for (const trees of [many, each]) for (const build of BUILDS) trees.addBuild(build)
  expect(await placement(many).placeMany(BUILDS)).toEqual([])
  for (const build of BUILDS) await placement(each).place(build)
  const seen = snapshot(many.staging, { times: false })
  expect(seen.filter((line) => line.includes(' -> ')).length).toBe(2 * BUILDS.length + 2)
  expect(seen).toEqual(snapshot(each.staging, { times: false }))
  expect(await placement(many).placeMany(BUILDS)).toEqual([])
  expect(snapshot(many.staging, { times: false })).toEqual(seen)
})

it('gives back what is not plain, and writes nothing of it: in the way, missing, or by a link into prod', async () => {
  const [trees] = twoTrees()
  const path = (name: string, release = '1.fc43') =>
    join(trees.staging, 'vol/prod/packages', name, '5.2', release)
  const names = ['good', 'directory', 'elsewhere', 'missing', 'linked', 'moved']
  const builds = names.map((name, n) => aBuild({ buildId: 200 + n, name }))
  for (const build of builds) if (build.name !== 'missing') trees.addBuild(build)
  mkdirSync(path('directory'), { recursive: true })
  link('/somewhere/else', path('elsewhere'))
  mkdirSync(join(trees.staging, 'vol/prod/packages/linked'))
  symlinkSync(join(trees.prod, 'packages/linked/5.2'), join(trees.staging, 'vol/prod/packages/linked/5.2'))
  // The right link, but below a version that is none of staging's directories.
  mkdirSync(join(trees.staging, 'elsewhere/5.2'), { recursive: true })
  link('/mnt/prod/packages/moved/5.2/1.fc43', join(trees.staging, 'elsewhere/5.2/1.fc43'))
  link(join(trees.staging, 'elsewhere/5.2'), join(trees.staging, 'vol/prod/packages/moved/5.2'))
  link('../../../vol/prod/packages/moved/5.2/1.fc43', join(trees.staging, 'packages/moved/5.2/1.fc43'))
  const before = snapshot(trees.prod)
  const left = await placement(trees).placeMany(builds)
  expect(left.map(({ name }) => name)).toEqual(names.slice(1))
  expect(snapshot(trees.prod)).toEqual(before)
})

it('makes directories like the one above, whatever the mask of this process is', async () => {
  const [trees] = twoTrees()
  for (const build of BUILDS) trees.addBuild(build)
  for (const packages of ['packages', 'vol/prod/packages']) {
    mkdirSync(join(trees.staging, packages), { recursive: true })
    chmodSync(join(trees.staging, packages), 0o2775)
  }
  expect(await placement(trees).placeMany(BUILDS)).toEqual([])
  for (const path of [
    'packages/bash',
    'packages/bash/5.3',
    'vol/prod/packages/zsh',
    'vol/prod/packages/zsh/5.2',
  ])
    expect(statSync(join(trees.staging, path)).mode & 0o7777, path).toBe(0o2775)
})

it('does the same in threads, and tells of one that ends', async () => {
  const [many, each] = twoTrees()
  for (const trees of [many, each]) for (const build of BUILDS) trees.addBuild(build)
  const options = (trees: Trees) => ({
    ...{ prodTopdir: trees.prod, root: trees.staging, linkTarget: '/mnt/prod', ownersMatter: true },
  })
  for (const build of BUILDS) await placement(each).place(build)
  for (const build of [BUILDS[0], BUILDS[4]]) if (build !== undefined) await placement(many).place(build)
  const crew = new ThreadVolumePlacer(options(many), 2, (data) => startSourceThread('volume-thread', data))
  const missing = aBuild({ buildId: 300, name: 'missing' })
  expect(await crew.place([...BUILDS, missing])).toEqual([300])
  const seen = snapshot(many.staging, { times: false })
  expect(seen).toEqual(snapshot(each.staging, { times: false }))
  const dead = new ThreadVolumePlacer(options(many), 1, () => new Worker('process.exit(3)', { eval: true }))
  for (let time = 0; time < 2; time++)
    await expect(dead.place(BUILDS)).rejects.toMatchObject({ code: 'STORAGE_DISK', message: /code 3/ })
})
