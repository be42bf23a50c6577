import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { noStep } from '../../src/step.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { aBuild, link, makeTrees, snapshot, type Trees } from './trees.ts'

let trees: Trees
beforeEach(() => {
  trees = makeTrees()
})
afterEach(() => trees.destroy())

const placement = (): VolumePlacement =>
  new VolumePlacement({
    prodTopdir: trees.prod,
    linkTarget: trees.prod,
    stagingTopdir: trees.staging,
    linkOwner: 'any',
    step: noStep,
  })

const at = (volume: string) => ({ volume, name: 'bash', version: '5.2', release: '1.fc43' })
const pathOf = (volume: string): string =>
  join(trees.staging, volume === 'DEFAULT' ? '' : `vol/${volume}`, 'packages/bash/5.2/1.fc43')

it('nothing stands where there is nothing, or what we have placed', async () => {
  expect(await placement().standsAlready(at('DEFAULT'))).toBe(false)
  trees.addBuild(aBuild())
  await placement().place(aBuild())
  expect(await placement().standsAlready(at('prod'))).toBe(false)
})

it('a directory stands, and a link that leads elsewhere, also on a volume that is a link; looking writes nothing', async () => {
  mkdirSync(pathOf('DEFAULT'), { recursive: true })
  link('/elsewhere', pathOf('mine'))
  mkdirSync(join(trees.home, 'disk/packages/bash/5.2/1.fc43'), { recursive: true })
  link(join(trees.home, 'disk'), join(trees.staging, 'vol/big'))
  const before = snapshot(trees.home)
  for (const volume of ['DEFAULT', 'mine', 'big'])
    expect(await placement().standsAlready(at(volume)), volume).toBe(true)
  expect(snapshot(trees.home)).toEqual(before)
})

it('a name that is no name of a directory is refused, and a tree that is not mounted is an outage', async () => {
  await expect(placement().standsAlready({ ...at('DEFAULT'), release: '../x' })).rejects.toMatchObject({
    code: 'STORAGE_NAME_UNSAFE',
  })
  trees.destroy()
  await expect(placement().standsAlready(at('DEFAULT'))).rejects.toMatchObject({ code: 'STORAGE_DISK' })
})
