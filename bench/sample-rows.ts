import pg from 'pg'
import type { ProdWorld } from '../test/sim/prod-world.ts'

/** One transaction that writes a change's rows, as text for one round trip. */
export type FloorRows = string

/** The rows of a new build, as prod has them. */
export async function rowsOfBuild(work: ProdWorld, buildId: number): Promise<FloorRows> {
  return transaction([
    await insertOf(work, 'events', `id = (select create_event from build where id = ${buildId})`),
    // The task stays in prod.
    await insertOf(work, 'build', `id = ${buildId}`, { task_id: null }),
    await insertOf(work, 'build_types', `build_id = ${buildId}`),
    await insertOf(work, 'rpminfo', `build_id = ${buildId}`),
    await insertOf(work, 'rpmsigs', `rpm_id in (select id from rpminfo where build_id = ${buildId})`),
  ])
}

export async function rowsOfSignature(work: ProdWorld, rpmId: number, sigkey: string): Promise<FloorRows> {
  return transaction([
    await insertOf(work, 'rpmsigs', `rpm_id = ${rpmId} and sigkey = ${pg.escapeLiteral(sigkey)}`),
  ])
}

/** What a tagging event changed of one build in one tag: rows revoked, rows created. */
export async function rowsOfTagging(
  work: ProdWorld,
  { tagId, buildId, event }: { tagId: number; buildId: number; event: number },
): Promise<FloorRows> {
  const match = `tag_id = ${tagId} and build_id = ${buildId}`
  return transaction([
    await insertOf(work, 'events', `id = ${event}`),
    `update tag_listing set active = null, revoke_event = r.revoke_event, revoker_id = r.revoker_id
       from (values ${await revokeOf(work, `${match} and revoke_event = ${event}`)}) r(revoke_event, revoker_id)
      where ${match} and active and r.revoke_event is not null`,
    await insertOf(work, 'tag_listing', `${match} and create_event = ${event}`),
  ])
}

async function revokeOf(work: ProdWorld, where: string): Promise<string> {
  const [row] = await work.rows(`select revoke_event, revoker_id from tag_listing where ${where}`)
  return row === undefined ? '(null::int, null::int)' : `(${row.revoke_event}, ${row.revoker_id})`
}

async function insertOf(
  work: ProdWorld,
  table: string,
  where: string,
  instead: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const rows = (await work.rows(`select to_jsonb(t) as row from ${table} t where ${where}`)).map(
    ({ row }) => ({
      ...(row as Record<string, unknown>),
      ...instead,
    }),
  )
  const columns = Object.keys(rows[0] ?? {})
  if (columns.length === 0) return ''
  const values = rows.map((row) => `(${columns.map((name) => literal(row[name])).join(', ')})`)
  return `insert into ${table} (${columns.map(pg.escapeIdentifier).join(', ')}) values ${values.join(', ')}`
}

function literal(value: unknown): string {
  return value === null || value === undefined ? 'null' : pg.escapeLiteral(String(value))
}

function transaction(statements: readonly string[]): FloorRows {
  return ['begin', ...statements.filter((sql) => sql !== ''), 'commit'].join(';\n')
}
