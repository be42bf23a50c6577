import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { brokenBuild } from './broken-build.ts'
import { LocalRows } from './local-actions.ts'
import { MUTANTS } from './mutants.ts'
import { makePlan, type Plan } from './plan.ts'
import { chaosWorld, runIn } from './run.ts'
import { shrink } from './shrink.ts'
import { judgeBriefly } from './verdict.ts'

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

test('of many actions only those are left that a failure needs, wherever they stand', async () => {
  for (const needed of [[3], [40], [2, 17], [1, 20, 39]]) {
    let tries = 0
    const found = await shrink(numbers(40), async (items) => {
      tries += 1
      return needed.every((one) => items.includes(one)) ? ['broken'] : null
    })
    expect(found).toMatchObject({ items: needed, complaints: ['broken'] })
    expect(found?.tries).toBe(tries)
    expect(tries).toBeLessThan(60)
  }
})

test('what needs no action shrinks to none; what does not fail again is said; the budget is kept', async () => {
  expect(await shrink(numbers(8), async () => ['always'])).toMatchObject({ items: [] })
  expect(await shrink(numbers(8), async () => null)).toBeNull()
  let tries = 0
  await shrink(
    numbers(200),
    async (items) => {
      tries += 1
      return items.filter((one) => one % 2 === 0).length === 100 ? ['broken'] : null
    },
    25,
  )
  expect(tries).toBeLessThanOrEqual(26)
})

test('a build of the program that leaves what prod untagged is noticed, and shrunk to the untagging', async () => {
  const mutant = MUTANTS.find(({ name }) => name === 'untag-stays')
  if (mutant === undefined) throw new Error('no such mutant')
  const drawn = makePlan(1, 0)
  const words = ['untagBuild', 'idleEvent']
  const plan: Plan = {
    ...drawn,
    placement: 'volume',
    thief: false,
    synced: true,
    actions: words.map((what, at) => ({ index: at + 1, what, seed: 100 + at })),
  }
  const broken = await brokenBuild(mutant)
  const fails = async (actions: Plan['actions']): Promise<readonly string[] | null> => {
    const world = await chaosWorld(plan)
    try {
      const options = { rows: new LocalRows(), build: broken }
      const { complaints } = await runIn(world, { ...plan, actions }, judgeBriefly, options)
      return complaints.length > 0 ? complaints : null
    } finally {
      await world.close()
    }
  }
  try {
    const found = await shrink(plan.actions, fails)
    expect(found?.items.map(({ what }) => what)).toEqual(['untagBuild'])
    expect(found?.complaints.join('\n')).toMatch(/listing|tagged/)
  } finally {
    await broken.remove()
  }
})

test('every mistake that chaos is measured by can still be made', async () => {
  for (const mutant of MUTANTS) {
    const text = await readFile(join(import.meta.dirname, '..', '..', 'src', mutant.file), 'utf8')
    expect(text.split(mutant.from), `${mutant.name}: ${mutant.from}`).toHaveLength(2)
  }
})
