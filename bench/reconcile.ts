/**
 * Measures `reconcile` and `catch-up` against the fastest known readings of the same content, on the simulated hub:
 * `tsx bench/reconcile.ts [--builds N] [--beside N] [--only empty|snapshot|catch-up] [--rows N] [--keep DIR] [--profile DIR]`. With `--keep` prod's content is
 * made once a size. See `bench.ts` for what runs by `npm run bench`.
 */
import { parseArgs } from 'node:util'
import { measureCatchUp } from './catch-up-measure.ts'
import { measureReconcile } from './reconcile-measure.ts'
import { machine, printResults } from './results.ts'

const { values } = parseArgs({
  options: {
    builds: { type: 'string', default: '20000' },
    beside: { type: 'string' },
    only: { type: 'string', multiple: true, default: ['empty', 'snapshot'] },
    rows: { type: 'string', default: '100000' },
    keep: { type: 'string' },
    profile: { type: 'string' },
  },
})
console.log(machine())
const shared = { builds: Number(values.builds), keep: values.keep, profileDir: values.profile ?? null }
const parts = (['empty', 'snapshot'] as const).filter((part) => values.only.includes(part))
const beside = values.beside === undefined ? null : Number(values.beside)
const results = parts.length === 0 ? [] : await measureReconcile({ ...shared, beside, parts })
if (values.only.includes('catch-up'))
  results.push(...(await measureCatchUp({ ...shared, rows: Number(values.rows) })))
printResults(results)
