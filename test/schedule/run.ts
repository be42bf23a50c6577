import { parseArgs } from 'node:util'
import { brokenBuild } from '../chaos/broken-build.ts'
import { MUTANTS } from '../chaos/mutants.ts'
import { partsOf } from './parts.ts'
import { play } from './play.ts'

/*
 * npm run schedules -- --runs 200 --seed 1 [--twice] [--show]
 *   --twice         each seed is played again: the steps must be the same, one by one.
 *   --show          the steps of each.
 *   --mutant NAME   the program with one mistake (../chaos/mutants.ts); ends at the first seed that notices.
 * Exit code 1 when a seed did not end as it should, or was not the same again (with --mutant: when none noticed).
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    twice: { type: 'boolean', default: false },
    show: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
})
const [runs, first] = [Number(values.runs), Number(values.seed)]
if (!Number.isSafeInteger(runs) || !Number.isSafeInteger(first)) {
  console.error('--runs and --seed are numbers')
  process.exit(2)
}
const mutant = MUTANTS.find(({ name }) => name === values.mutant)
if (values.mutant !== undefined && mutant === undefined) {
  console.error(`no mutant ${values.mutant}; there are: ${MUTANTS.map(({ name }) => name).join(' ')}`)
  process.exit(2)
}
const broken = mutant === undefined ? undefined : await brokenBuild(mutant)
const parts = broken === undefined ? undefined : await partsOf(broken.directory)
const bad: number[] = []
let [done, steps] = [0, 0]
for (let seed = first; seed < first + runs; seed += 1) {
  const one = await play(seed, parts)
  done += 1
  steps += one.trace.length
  if (values.show) console.log(one.trace.join('\n'))
  const complaints = [...one.complaints]
  if (values.twice || (complaints.length > 0 && mutant === undefined)) {
    const again = await play(seed, parts)
    const at = one.trace.findIndex((line, i) => line !== again.trace[i])
    if (at !== -1 || again.trace.length !== one.trace.length)
      complaints.push(`not the same again from step ${at}: ${one.trace[at]}, then ${again.trace[at]}`)
  }
  if (complaints.length === 0) continue
  bad.push(seed)
  console.log(`seed ${seed}, ${one.trace.length} steps:\n  ${complaints.join('\n  ')}`)
  if (mutant !== undefined) break
}
console.log(
  `${done} schedules from seed ${first}, ${steps} steps${values.twice ? ', each played twice' : ''}: ${bad.length} bad${bad.length > 0 ? ` (${bad.join(' ')})` : ''}`,
)
await broken?.remove()
process.exit(bad.length > 0 === (mutant === undefined) ? 1 : 0)
