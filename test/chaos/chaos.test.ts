import { expect, test } from 'vitest'
import { runTogether } from './together.ts'

/** The settings of a group are its first seed's: of these two they differ in each (all builds or tagged ones, who wins, the placement). */
const FIRST = [21, 51]
const SEEDS = 50
const ACTIONS = 10

// `npm run chaos` does more of them, longer ones, each in Kojis of its own.
for (const first of FIRST) {
  test(`prod, staging's people, the bus and kills in any order end equal: seeds ${first} to ${first + SEEDS - 1}`, async () => {
    const { complaints, story, seed, seconds } = await runTogether(first, SEEDS, ACTIONS)
    const repeat = `npm run chaos -- --seed ${first} --together ${seed - first + 1} --actions ${ACTIONS}`
    expect(complaints, `${repeat}\n${story.join('\n')}`).toEqual([])
    console.info(`${SEEDS} plans from seed ${first}: ${seconds.toFixed(1)} s`)
  })
}
