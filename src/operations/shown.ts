import type { ClashesReport, ShownClash, ShownParked } from '../model/status.ts'
import { readParked } from '../queue/reading.ts'
import { listClashes } from '../staging/clashes.ts'
import type { Sql } from '../staging/database.ts'
import { listDecisions } from '../staging/decisions.ts'
import { readKeyNames } from '../staging/key-names.ts'

/** The clashes that stand, newest first, with both sides and names; and what people decided. */
export async function clashesReport(
  sql: Sql,
  options: { readonly key?: string; readonly limit: number },
): Promise<ClashesReport> {
  const rows = await listClashes(sql, { ...options, open: true })
  const decisions = (await listDecisions(sql)).filter(({ key }) => key === (options.key ?? key))
  const names = await readKeyNames(
    sql,
    [...rows, ...decisions].map(({ key }) => key),
  )
  return {
    clashes: rows.map(
      ({ key, subject, kind, state, prod, local, firstSeen, lastSeen, count }): ShownClash => ({
        key,
        name: names.get(key) ?? null,
        subject,
        kind,
        state: state as ShownClash['state'],
        prod,
        local,
        firstSeen,
        lastSeen,
        count,
      }),
    ),
    decisions: decisions.map((one) => ({ ...one, name: names.get(one.key) ?? null })),
  }
}

/** Newest first. */
export async function parkedReport(sql: Sql, limit: number): Promise<ShownParked[]> {
  const rows = await readParked(sql, limit)
  const names = await readKeyNames(
    sql,
    rows.map(({ key }) => key),
  )
  return rows.map(({ key, code, reason, attempts, parkedAtMs, retryAtMs }) => ({
    key,
    name: names.get(key) ?? null,
    code,
    reason,
    attempts,
    since: new Date(parkedAtMs).toISOString(),
    retryAt: new Date(retryAtMs).toISOString(),
  }))
}
