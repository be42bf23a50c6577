import { listBuilds } from '../hub/calls-build.ts'
import { newestFirst } from '../hub/pages.ts'
import type { Sql } from '../staging/database.ts'
import { findDrafts } from '../staging/drafts.ts'
import { newDifferences } from './differences.ts'
import type { Run } from './run.ts'
import { buildKey } from './staging-builds.ts'

/**
 * Promoted drafts: builds that staging has from prod as drafts and prod lists as drafts no longer. (A promotion has no event;
 * hubs up to 1.35 cannot list them by time.) Nothing is asked where staging has no drafts.
 */
export async function readPromotions(run: Run): Promise<void> {
  const mine = await readDrafts(run.database, run.seedEvent)
  if (mine.length === 0) return
  const drafts = new Set<number>()
  const pages = newestFirst({
    method: 'listBuilds(draft)',
    downTo: Math.min(...mine) - 1,
    limit: run.limits.pageRows,
    read: async (offset, limit) => {
      const [builds] = await run.read([listBuilds({ draft: true }, { order: '-build_id', offset, limit })])
      return builds
    },
  })
  let rows = 0
  for await (const page of pages) {
    rows += page.rows.length
    for (const { id } of page.rows) drafts.add(id)
  }
  const promoted = mine.filter((id) => !drafts.has(id))
  await run.commit('promotions', rows, (tx) =>
    newDifferences(
      tx,
      'draft',
      promoted.map((id) => ({ id, what: 'promoted', key: buildKey(id) })),
      mine.filter((id) => drafts.has(id)),
    ),
  )
}

/** Prod's ids of COMPLETE drafts that came from prod. Staging's Koji may be too old for drafts (before 1.34). */
async function readDrafts(sql: Sql, seedEvent: number | null): Promise<number[]> {
  const [column] = await sql.query<{ present: boolean }>(
    'catchup.knows-drafts',
    `select exists (select 1 from pg_catalog.pg_attribute where attrelid = to_regclass('build')
                      and attname = 'draft' and not attisdropped) as present`,
  )
  if (column?.present !== true) return []
  return findDrafts(sql, seedEvent)
}
