import { parseArgs } from 'node:util'
import { buildProgram } from '../e2e/program.ts'
import { startCluster } from '../support/cluster.ts'
import { brokenBuild } from './broken-build.ts'
import { MUTANTS } from './mutants.ts'
import { makePlan, type Plan, settingsOf } from './plan.ts'
import { type ChaosResult, type RunOptions, runChaos } from './run.ts'
import { shrink } from './shrink.ts'
import { runTogether } from './together.ts'

/*
 * npm run chaos -- --runs 500 --seed 1 [--actions 40] [--jobs 2] [--no-shrink]
 *   Seeds from --seed on, each in fresh Kojis. A failing one is told with its story and the fewest of its actions that
 *   still fail: what happens is the same for a seed, at which moment of the daemon's work it does is not.
 *   --only 3,7,12    of the plan of --seed only these actions: what a failing run tells to repeat.
 *   --processes      daemons and commands in processes of their own, killed by SIGKILL (the disk cannot fail them).
 *   --server         staging's PostgreSQL is of our own: "restart database" stops it, or kills it.
 *   --mutant NAME    the program with one mistake (mutants.ts); ends at the first run that notices. --mutant all: each.
 * npm run chaos -- --seed 11 --together 10 --actions 8
 *   So many seeds one after the other in the same Kojis, as the test does; --mutant NAME: by the first such group.
 * Exit code 1 when a promise did not hold (with --mutant: when nobody noticed).
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    actions: { type: 'string', default: '40' },
    jobs: { type: 'string', default: '2' },
    together: { type: 'string', default: '0' },
    only: { type: 'string' },
    mutant: { type: 'string' },
    processes: { type: 'boolean', default: false },
    server: { type: 'boolean', default: false },
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
const [runs, first, jobs, together] = [number('runs'), number('seed'), number('jobs'), number('together')]
const only = values.only?.split(',').map(Number)
const actions = Math.max(number('actions'), ...(only ?? [0]))
/** A shorter plan is tried so often: the same actions meet the daemon at other moments. */
const TRIES = 3

const program = values.processes ? await buildProgram() : null
async function leave(isBad: boolean): Promise<never> {
  await program?.remove()
  process.exit(isBad ? 1 : 0)
}

/** With a server of its own: one for all runs of a job, with a new database each. */
async function withServer<T>(work: (options: RunOptions) => Promise<T>): Promise<T> {
  if (!values.server) return work({ program })
  const cluster = await startCluster({ durable: true })
  const server = {
    restart: async (crash: boolean) => {
      await cluster.stop({ crash })
      await cluster.start()
    },
  }
  try {
    return await work({ program, server, stagingUrl: cluster.url(await cluster.createDatabase('1.35.0')) })
  } finally {
    await cluster.remove()
  }
}

const run = (plan: Plan, options: RunOptions = {}): Promise<ChaosResult> =>
  withServer((more) => runChaos(plan, { ...more, ...options }))

function planOf(seed: number): Plan {
  const plan = makePlan(seed, actions)
  if (only === undefined) return plan
  return { ...plan, actions: plan.actions.filter(({ index }) => only.includes(index)) }
}

function tell(plan: Plan, { complaints, story }: Pick<ChaosResult, 'complaints' | 'story'>): void {
  console.log(`\nseed ${plan.seed}, ${plan.actions.length} actions (${settingsOf(plan)}):`)
  console.log([...story, ...complaints.map((text) => `  ${text.slice(0, 3000)}`)].join('\n'))
}

async function one(seed: number): Promise<boolean> {
  const plan = planOf(seed)
  const result = await run(plan)
  if (result.complaints.length === 0) return true
  tell(plan, result)
  if (!values.shrink) return false
  const short = await shrink(plan.actions, async (some) => {
    for (let time = 0; time < TRIES; time += 1) {
      const { complaints } = await run({ ...plan, actions: some }).catch((error: unknown) => ({
        complaints: [String(error)],
      }))
      if (complaints.length > 0) return complaints
    }
    return null
  })
  if (short === null) {
    console.log('it did not fail again')
    return false
  }
  const list = short.items.map(({ index }) => index).join(',')
  console.log(`after ${short.tries} tries: --runs 1 --seed ${seed} --actions ${actions} --only ${list || 0}`)
  console.log(
    [
      ...short.items.map(({ what }) => what),
      ...short.complaints.map((text) => `  ${text.slice(0, 3000)}`),
    ].join('\n'),
  )
  return false
}

/** The first seed that notices, and how many of its actions it takes; null: none did. */
async function hunt(name: string): Promise<boolean> {
  const mutant = MUTANTS.find((one) => one.name === name)
  if (mutant === undefined) {
    console.error(`no mutant ${name}; there are: ${MUTANTS.map((one) => one.name).join(' ')}`)
    process.exit(2)
  }
  const build = await brokenBuild(mutant)
  try {
    if (together > 0) {
      const { seed, complaints } = await runTogether(first, together, actions, build)
      console.log(
        `${name}: ${complaints.length === 0 ? 'not noticed' : `noticed by plan ${seed - first + 1}, seed ${seed}: ${complaints[0]?.slice(0, 200)}`}`,
      )
      return complaints.length > 0
    }
    for (let seed = first; seed < first + runs; seed += 1) {
      const { complaints } = await run(planOf(seed), { build })
      if (complaints.length === 0) continue
      console.log(
        `${name}: noticed by run ${seed - first + 1}, seed ${seed}: ${complaints[0]?.slice(0, 200)}`,
      )
      return true
    }
    console.log(`${name}: ${runs} runs from seed ${first} noticed nothing (${mutant.breaks})`)
    return false
  } finally {
    await build.remove()
  }
}

const startedMs = performance.now()
const failed: (number | string)[] = []
let done = 0
if (values.mutant !== undefined) {
  const names = values.mutant === 'all' ? MUTANTS.map(({ name }) => name) : [values.mutant]
  for (const name of names) if (!(await hunt(name))) failed.push(name)
  console.log(`${names.length - failed.length} of ${names.length} mutants noticed`)
  await leave(failed.length > 0)
}
if (together > 0) {
  const result = await runTogether(first, together, actions)
  done = together
  if (result.complaints.length > 0) {
    tell(makePlan(result.seed, actions), result)
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
const which = failed.length > 0 ? ` (${failed.sort().join(' ')})` : ''
console.log(
  `${done} runs from seed ${first}, ${actions} actions each: ${failed.length} failed${which}, ${seconds} s`,
)
await leave(failed.length > 0)
