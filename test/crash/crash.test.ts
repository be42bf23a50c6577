import { afterAll, beforeAll, expect, test } from 'vitest'
import { CrashGround, type Cut, type Pick } from './harness.ts'
import { cutInit } from './init.ts'
import { BUILDS, TAGS } from './instances.ts'

/*
 * Some effects of some operations, other ones in each run; `npm run crash` cuts each operation off at every one.
 * KSS_TEST_SEED repeats a run.
 */
const SEED = Number(process.env.KSS_TEST_SEED ?? Math.floor(Math.random() * 1_000))
const NAMES = ['import of an image', 'insertion below the latest']
console.info(`KSS_TEST_SEED=${SEED}`)

/** Two of an operation's effects. */
const two: Pick = (effects) => [SEED % effects, (SEED + Math.floor(effects / 2)) % effects]

let ground: CrashGround
beforeAll(async () => {
  ground = await CrashGround.open()
})
afterAll(() => ground?.close())

const wrong = (cuts: readonly Cut[]): readonly string[] => cuts.flatMap(({ complaints }) => complaints)

test('operations that are cut off at an effect leave no row without its file, and a fresh start makes both Kojis equal', async () => {
  const cuts = await ground.keys(
    [...BUILDS, ...TAGS].filter(({ name }) => NAMES.includes(name)),
    two,
  )
  expect(wrong(cuts)).toEqual([])
  expect(cuts.map(({ name }) => name)).toHaveLength(NAMES.length)
  for (const { name, effects } of cuts) expect(effects, name).toBeGreaterThan(8)
  expect(await ground.judge({ scrub: false })).toEqual([])
})

test('init that is cut off and repeated prepares the same staging', async () => {
  expect(wrong([await cutInit((effects) => [SEED % effects])])).toEqual([])
})
