/**
 * Measures `reconcile` against the fastest known readings of the same content, on the simulated hub:
 * `tsx bench/reconcile.ts [--builds N] [--snapshot N] [--profile DIR] [--real-floor]`. See `bench.ts` for what runs by `npm run bench`.
 */
import { parseArgs } from 'node:util'
import { measureReconcile } from './reconcile-measure.ts'
import { machine, printResults } from './results.ts'

const { values } = parseArgs({
  options: {
    builds: { type: 'string', default: '20000' },
    snapshot: { type: 'string', default: '2000' },
    profile: { type: 'string' },
  },
})
console.log(machine())
printResults(
  await measureReconcile({
    builds: Number(values.builds),
    snapshotBuilds: Number(values.snapshot),
    profileDir: values.profile ?? null,
  }),
)
