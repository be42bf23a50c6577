import { parseArgs } from 'node:util'
import { makePlan } from './plan.ts'
import { type ChaosResult, runChaos } from './run.ts'
import { shrink } from './shrink.ts'
import { runTogether } from './together.ts'

/*
 * npm run chaos -- --runs 500 --seed 1 [--actions 40] [--jobs 2] [--no-shrink]
 *   Seeds from --seed on, each in fresh Kojis. A failing one is told with its story and the shortest prefix of its actions that
 *   still fails: what happens is the same for a seed, at which moment of the daemon's work it does is not.
 * npm run chaos -- --seed 11 --together 10 --actions 8
 *   So many seeds one after the other in the same Kojis, as the test does.
 * Exit code 1 when a promise did not hold.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    actions: { type: 'string', default: '40' },
    jobs: { type: 'string', default: '2' },
    together: { type: 'string', default: '0' },
    shrink: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const number = (name: 'runs' | 'seed' | 'actions' | 'jobs' | 'together'): number => {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= 0) return value
  console.error(`--${name} ${values[name]} is no number`)
  process.exit(2)
}
const [runs, first, actions, jobs, together] = [
  number('runs'),
  number('seed'),
  number('actions'),
  number('jobs'),
  number('together'),
]

function tell(seed: number, { complaints, story }: ChaosResult): void {
  const { builds, onClash, drop } = makePlan(seed, 0)
  console.log(
    `\nseed ${seed}, ${actions} actions (builds ${builds}, ${onClash}, ${drop * 100} % of messages lost):`,
  )
  console.log([...story, ...complaints.map((text) => `  ${text.slice(0, 2000)}`)].join('\n'))
}

async function one(seed: number): Promise<boolean> {
  const plan = makePlan(seed, actions)
  const result = await runChaos(plan)
  if (result.complaints.length === 0) return true
  tell(seed, result)
  if (!values.shrink) return false
  const short = await shrink(plan)
  if (short === null) console.log('it did not fail again')
  else
    console.log(
      `shortest: --runs 1 --seed ${seed} --actions ${short.length}\n  ${short.complaints.join('\n  ').slice(0, 3000)}`,
    )
  return false
}

const startedMs = performance.now()
const failed: number[] = []
let done = 0
if (together > 0) {
  const result = await runTogether(first, together, actions)
  done = together
  if (result.complaints.length > 0) {
    tell(result.seed, result)
    failed.push(result.seed)
  }
} else {
  let next = first
  const job = async (): Promise<void> => {
    while (next < first + runs) {
      const seed = next
      next += 1
      if (!(await one(seed))) failed.push(seed)
      done += 1
      if (done % 10 === 0)
        console.log(
          `${done} of ${runs}, ${failed.length} failed, ${((performance.now() - startedMs) / 1000).toFixed(0)} s`,
        )
    }
  }
  await Promise.all(Array.from({ length: jobs }, job))
}
const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
const which = failed.length > 0 ? ` (${failed.sort((a, b) => a - b).join(' ')})` : ''
console.log(
  `${done} runs from seed ${first}, ${actions} actions each: ${failed.length} failed${which}, ${seconds} s`,
)
process.exit(failed.length > 0 ? 1 : 0)
