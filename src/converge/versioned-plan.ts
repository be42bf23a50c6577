import type { ConflictPolicy } from '../config/config.ts'
import { type AdoptedRow, findAdopted } from '../staging/adopted.ts'
import type { Catalog } from '../staging/catalog.ts'
import type { Cell } from '../staging/cell.ts'
import type { Sql } from '../staging/database.ts'
import { isOurs } from '../staging/listing.ts'
import { readActive, readLatestRevoked, type VersionedRow, type Where } from '../staging/versioned.ts'
import { VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'
import type { Owner } from './deps.ts'
import type { Op } from './ops.ts'
import type { Difference, Proofs } from './settle.ts'
import { type Clash, diffVersioned, identity, type WantedRow } from './versioned-diff.ts'

/** A part of a versioned table that one key covers, with what prod shows of it. */
export interface View {
  readonly table: VersionedName
  /** Which rows of staging's table belong to the key. */
  readonly where: Where
  /** Active rows of prod by staging's ids. */
  readonly wanted: readonly WantedRow[]
}

/** A row that prod revoked, by staging's ids. */
export interface RevokedRow {
  readonly table: VersionedName
  readonly cells: Readonly<Record<string, Cell>>
  readonly revokeEvent: number
}

export interface Settings {
  readonly catalog: Catalog
  readonly owner: Owner
  readonly policy: ConflictPolicy
}

/** Reads each view in staging and diffs it. Slots of the ops are prod's events. */
export async function viewDifference(
  sql: Sql,
  settings: Settings,
  views: readonly View[],
  lastApplied: number | null,
): Promise<Difference> {
  const { catalog, owner, policy } = settings
  const ops: Op[] = []
  const removals: Op[] = []
  const clashes: Clash[] = []
  const adopted: AdoptedRow[] = []
  for (const { table, where, wanted } of views) {
    const active = await readActive(sql, catalog, table, where)
    const key = VERSIONED[table].key
    const present = new Set(active.map((row) => identity(row.cells, key)))
    const complete = wanted.every((row) => present.has(identity(row.cells, key)))
    const revoked = complete ? [] : await readLatestRevoked(sql, catalog, table, where)
    const made = (row: VersionedRow): boolean => isOurs(owner, row.creatorId, row.createEvent)
    const known = await findAdopted(
      sql,
      table,
      [...active, ...revoked].filter((row) => !made(row)),
    )
    const diff = diffVersioned(
      { table, wanted, active, revoked },
      {
        isOurs: (row) => made(row) || known.has(row),
        revokedByUs: (row) => isOurs(owner, row.revokerId ?? -1, row.revokeEvent ?? Number.MAX_SAFE_INTEGER),
        policy,
        lastApplied,
      },
    )
    ops.push(...diff.ops)
    removals.push(...diff.removals)
    clashes.push(...diff.clashes)
    adopted.push(...diff.adopted.map((row) => ({ table, row })))
  }
  return { ops, removals, clashes, adopted }
}

/** Proofs out of prod's revoked rows: a removal is proved by a revoke that is newer than what was applied before. */
export function proofsOf(revoked: readonly RevokedRow[], lastApplied: number | null): Proofs {
  const latest = new Map<string, number>()
  for (const row of revoked) {
    if (row.revokeEvent <= (lastApplied ?? 0)) continue
    const key = `${row.table} ${identity(row.cells, VERSIONED[row.table].key)}`
    latest.set(key, Math.max(latest.get(key) ?? 0, row.revokeEvent))
  }
  return (op) => {
    if (op.kind !== 'revoke') return null
    const prodEvent = latest.get(`${op.table} ${identity(op.row.cells, VERSIONED[op.table].key)}`)
    return prodEvent === undefined ? null : { prodEvent, slot: prodEvent }
  }
}
