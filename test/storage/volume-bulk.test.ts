import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { noStep } from '../../src/step.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
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
  const names = ['good', 'directory', 'elsewhere', 'missing', 'linked']
  const builds = names.map((name, n) => aBuild({ buildId: 200 + n, name }))
  for (const build of builds) if (build.name !== 'missing') trees.addBuild(build)
  mkdirSync(path('directory'), { recursive: true })
  link('/somewhere/else', path('elsewhere'))
  mkdirSync(join(trees.staging, 'vol/prod/packages/linked'))
  symlinkSync(join(trees.prod, 'packages/linked/5.2'), join(trees.staging, 'vol/prod/packages/linked/5.2'))
  const before = snapshot(trees.prod)
  const left = await placement(trees).placeMany(builds)
  expect(left.map(({ name }) => name)).toEqual(names.slice(1))
  expect(snapshot(trees.prod)).toEqual(before)
})
