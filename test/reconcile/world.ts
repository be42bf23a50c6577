import { StopError } from '../../src/errors.ts'
import type { Drift } from '../../src/model/drift.ts'
import { formatKey } from '../../src/model/key.ts'
import type { ReconcileOptions, ReconcileReport } from '../../src/model/operations.ts'
import { type Here, openHere } from '../e2e/daemon.ts'
import { type E2eWorld, e2eWorld, type WorldOptions } from '../e2e/world.ts'

/** Two Kojis and a `reconcile` between them, without a daemon. */
export interface ReconcileWorld extends E2eWorld {
  reconcile(options?: {
    dryRun?: boolean
    tags?: readonly string[]
    allowRemovals?: number
    here?: Here
  }): Promise<Reconciled>
  /** Every row version of Koji's tables and of ours: equal exactly if nothing was written. */
  written(): Promise<Record<string, string>>
}

export interface Reconciled {
  readonly report: ReconcileReport
  readonly drifts: readonly Drift[]
  /** `kind key`, sorted */
  readonly found: readonly string[]
  /** of the metric, by kind; only those above 0 */
  readonly missed: Readonly<Record<string, number>>
}

export async function reconcileWorld(options: WorldOptions = {}): Promise<ReconcileWorld> {
  const world = await e2eWorld(options)
  world.announce = 'keep'
  return {
    ...world,
    reconcile: async ({ dryRun = false, tags = [], allowRemovals, here } = {}) => {
      const own = here ?? (await openHere({ file: world.file }))
      try {
        const more = allowRemovals === undefined ? {} : { allowRemovals, allowedBy: 'ann' }
        return await run(own, { dryRun, tags, ...more })
      } finally {
        if (here === undefined) await own.operations.destroy()
      }
    },
    written: async () => {
      const tables = await world.sql<{ name: string }>(
        `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r' and n.nspname in ('public', 'staging_sync') order by 1`,
      )
      const rows = await world.sql<{ name: string; print: string }>(
        tables
          .map(
            ({ name }) => `select '${name}' as name, count(*)::text || ' ' ||
              coalesce(md5(string_agg(xmin::text || ctid::text, ' ' order by ctid)), '') as print from ${name}`,
          )
          .join(' union all '),
      )
      const sequences = await world.sql<{ name: string; print: string }>(
        `select schemaname || '.' || sequencename as name, coalesce(last_value, 0)::text as print from pg_sequences order by 1`,
      )
      return Object.fromEntries([...rows, ...sequences].map(({ name, print }) => [name, print]))
    },
  }
}

async function run(here: Here, options: ReconcileOptions): Promise<Reconciled> {
  const stop = new AbortController()
  const drifts: Drift[] = []
  let report: ReconcileReport | null = null
  for await (const news of here.operations.reconcile(options, stop.signal)) {
    if (news.kind === 'difference') drifts.push(news.drift)
    else if (news.kind === 'end') report = news.report
  }
  stop.abort(new StopError('STOPPED_BY_TEST', 'done'))
  if (report === null) throw new Error('no report')
  const metric = await here.metrics.registry.getSingleMetric('kojisync_missed_total')?.get()
  const counted = (metric?.values ?? []).filter(({ value }) => value > 0)
  return {
    report,
    drifts,
    found: [...new Set(drifts.map(({ kind, key }) => `${kind} ${formatKey(key)}`))].sort(),
    missed: Object.fromEntries(counted.map(({ labels, value }) => [String(labels.kind), value])),
  }
}
