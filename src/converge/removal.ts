import type { RemovalPolicy } from '../config/config.ts'
import { findAdopted } from '../staging/adopted.ts'
import type { Catalog } from '../staging/catalog.ts'
import type { Sql } from '../staging/database.ts'
import { isOurs } from '../staging/listing.ts'
import { readActive, type VersionedRow, type Where } from '../staging/versioned.ts'
import { VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'
import type { Owner } from './deps.ts'
import type { Gone } from './gone.ts'
import type { Op } from './ops.ts'
import type { Difference, Proof } from './settle.ts'
import { type Clash, identity } from './versioned-diff.ts'

/** A part of a versioned table that goes with a thing that prod deleted. */
export interface RemovedPart {
  readonly table: VersionedName
  readonly where: Where
  /** What a local row in it is to a reader of the clash: `a child that inherits from it` */
  readonly use: string
}

interface Found {
  readonly part: RemovedPart
  readonly row: VersionedRow
  readonly ours: boolean
}

/** Local rows that a clash lists; more are only counted. */
const MAX_SHOWN = 20

/**
 * What the deletion of a thing of prod revokes in staging: all parts at one event, as Koji does it (kojihub.py _delete_tag,
 * delete_external_repo). Local rows among them are a clash, `on_removed`: `hold` keeps the thing whole, for half a tag would
 * serve nobody; `prod-wins` revokes the local rows too.
 */
export async function removalDifference(
  sql: Sql,
  about: {
    readonly catalog: Catalog
    readonly owner: Owner
    readonly policy: RemovalPolicy
    readonly subject: string
    readonly gone: Gone | null
  },
  parts: readonly RemovedPart[],
): Promise<Difference> {
  const { catalog, owner, policy, subject, gone } = about
  const found = new Map<string, Found>()
  for (const part of parts) {
    const rows = await readActive(sql, catalog, part.table, part.where)
    const made = (row: VersionedRow): boolean => isOurs(owner, row.creatorId, row.createEvent)
    const adopted = await findAdopted(
      sql,
      part.table,
      rows.filter((row) => !made(row)),
    )
    for (const row of rows) {
      const key = `${part.table} ${identity(row.cells, VERSIONED[part.table].key)}`
      // A target may build in and into the tag: one row.
      if (!found.has(key)) found.set(key, { part, row, ours: made(row) || adopted.has(row) })
    }
  }
  const local = [...found.values()].filter(({ ours }) => !ours)
  const clashes = local.length === 0 ? [] : [clashOf(subject, gone, policy, local)]
  if (local.length > 0 && policy === 'hold') return { ops: [], removals: [], clashes }
  const ops = [...found.values()].map(
    ({ part, row }): Op => ({ kind: 'revoke', table: part.table, row, slot: gone?.revokeEvent ?? 0 }),
  )
  return { ops, removals: ops, clashes }
}

/** The revoke of a thing's settings in prod proves the end of everything that goes with it. */
export function removalProof(gone: Gone | null): Proof | null {
  return gone === null ? null : { prodEvent: gone.revokeEvent, slot: gone.revokeEvent }
}

function clashOf(subject: string, gone: Gone | null, policy: RemovalPolicy, local: readonly Found[]): Clash {
  const counts: Record<string, number> = {}
  for (const { part } of local) counts[part.use] = (counts[part.use] ?? 0) + 1
  const rows = local.slice(0, MAX_SHOWN).map(({ part, row }) => ({ table: part.table, ...row.cells }))
  return {
    subject,
    kind: 'removed-in-prod',
    prod: gone === null ? null : { revoke_event: gone.revokeEvent },
    local: { counts, rows },
    decision: policy === 'hold' ? 'held' : 'prod-won',
  }
}
