import type { Catalog } from '../../staging/catalog.ts'
import type { Sql, Tx } from '../../staging/database.ts'
import { recordset } from '../../staging/rows.ts'
import type { TableChange } from './diff.ts'
import type { ProdRpm } from './observe.ts'
import type { Row } from './tables.ts'

/*
 * rpm_checksum is a cache of each hub, filled when somebody asks (kojihub.py getRPMChecksums): what staging's hub cached itself
 * stays as long as its signature does. Checksums are unique over the whole table; one that another rpm holds counts as equal.
 */

/** Leaves of the change of rpm_checksum what is to be done. `gone`: rpms and signatures that go, as `rpm_id` or `rpm_id sigkey`. */
export async function settleChecksums(
  sql: Sql,
  catalog: Catalog,
  prod: { readonly rpms: readonly Pick<ProdRpm, 'checksums'>[] },
  change: TableChange,
  gone: ReadonlySet<string>,
): Promise<TableChange> {
  if (!catalog.has('rpm_checksum')) return { ...change, inserts: [], updates: [], deletes: [] }
  const unsupported = prod.rpms.some(({ checksums }) => checksums === 'unsupported')
  // A row that changes goes and comes again: a checksum that another rpm holds by now may not come.
  const changed = unsupported ? [] : change.updates
  const wanted = [...change.inserts, ...changed]
  const deletes = [
    ...changed,
    ...change.deletes.filter(
      ({ rpm_id, sigkey }) => gone.has(String(rpm_id)) || gone.has(`${rpm_id} ${sigkey}`),
    ),
  ]
  if (wanted.length === 0) return { ...change, updates: [], deletes }
  const rows = await sql.query<{ checksum: string; rpm_id: number; sigkey: string; checksum_type: number }>(
    'build.held-checksums',
    'select checksum, rpm_id, sigkey, checksum_type from rpm_checksum where checksum = any($1::text[])',
    [wanted.map((row) => row.checksum)],
  )
  const freed = new Set(deletes.map(keyOf))
  const held = new Set(
    rows.filter((row) => !freed.has(keyOf(row)) && !gone.has(String(row.rpm_id))).map((row) => row.checksum),
  )
  return { ...change, inserts: wanted.filter((row) => !held.has(String(row.checksum))), updates: [], deletes }
}

/** Inserts those whose checksum nobody holds, not even one that comes with them. Returns how many. */
export async function insertChecksums(tx: Tx, catalog: Catalog, rows: readonly Row[]): Promise<number> {
  if (rows.length === 0) return 0
  const names = ['rpm_id', 'sigkey', 'checksum_type', 'checksum']
  const set = recordset(catalog, 'rpm_checksum', names, rows)
  const inserted = await tx.query(
    'build.insert-checksums',
    `insert into rpm_checksum (${names.join(', ')}) select ${names.join(', ')} from ${set.from}
     on conflict do nothing returning 1`,
    [set.json],
    { prepare: false },
  )
  return inserted.length
}

function keyOf(row: Row): string {
  return `${row.rpm_id} ${row.sigkey} ${row.checksum_type}`
}
