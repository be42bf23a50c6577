import { createHash } from 'node:crypto'
import { toKojiJson } from '../../model/koji-json.ts'
import { parseKojiJson } from '../../model/koji-json-parse.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Sql } from '../../staging/database.ts'
import { findOwned } from '../../staging/owned.ts'
import { listPlacements } from '../../staging/placements.ts'
import type { Deps } from '../deps.ts'
import type { Clash } from '../versioned-diff.ts'
import { heldChecksums } from './apply.ts'
import { diffTables, type TableChange } from './diff.ts'
import { type Matched, matchParts } from './match.ts'
import type { ProdBuild } from './observe.ts'
import { type PresentBuild, readPresent } from './present.ts'
import type { NameRefs, PartRefs } from './refs.ts'
import type { BuildRow } from './row.ts'
import { BUILD_TABLES, type Row, type Tables } from './tables.ts'
import { type Refs, wantedTables } from './wanted.ts'

/** What to look at: a build of prod and the row of staging that it is or shall be. */
export interface Subject {
  readonly prod: ProdBuild
  readonly row: BuildRow
  readonly names: NameRefs
  readonly parts: Pick<PartRefs, 'rpms' | 'archives'>
}

/** The difference between both sides as it is now. */
export interface Look {
  readonly present: PresentBuild | null
  readonly matched: Matched
  readonly wanted: Tables
  readonly changes: readonly TableChange[]
  readonly clashes: readonly Clash[]
  /** The build stands in staging's own tree (seeded, or made there): its files and volume are not ours to move. */
  readonly ownTree: boolean
  /** digest of the wanted build row, recorded when applied */
  readonly digest: string
}

/** Ids for what is new; before the transaction prod's own do. */
export type NewIds = (
  table: 'build' | 'rpminfo' | 'archiveinfo',
  prodIds: readonly number[],
) => Promise<Map<number, number>>

export const prodIds: NewIds = async (_table, ids) => new Map(ids.map((id) => [id, id]))

/** Reads staging's side of a build and diffs it with prod's. Writes nothing but what `newIds` takes from sequences. */
export async function lookAt(sql: Sql, deps: Deps, subject: Subject, newIds: NewIds): Promise<Look> {
  const { catalog, owner, conflicts } = deps
  const { prod, row, names, parts } = subject
  const keys = await seenKeys(sql, prod)
  const rowId = row.kind === 'none' || row.kind === 'owned-by' ? null : row.id
  const local = row.kind === 'local'
  const present =
    rowId === null ? null : await readPresent(sql, catalog, owner, rowId, { prodKeys: keys, all: local })
  const matched = await matchParts(sql, prod, present, local)
  const [builds, rpms, archives] = [
    rowId === null ? await newIds('build', [prod.build.id]) : new Map([[prod.build.id, rowId]]),
    await newIds('rpminfo', matched.newRpms),
    await newIds('archiveinfo', matched.newArchives),
  ]
  const placed = await listPlacements(sql, { prodBuildIds: [prod.build.id] })
  // A row that a removal left bare (reset, deleted) has no files anywhere: it starts anew.
  const hasContent = present !== null && present.tables.build[0]?.state === BUILD_STATE.complete
  const ownTree = hasContent && placed.length === 0
  const refs: Refs = {
    ...names,
    volumeId: ownTree ? (present?.tables.build[0]?.volume_id as number) : names.volumeId,
    buildId: builds.get(prod.build.id) as number,
    rpms: new Map([...parts.rpms, ...matched.rpms, ...rpms]),
    archives: new Map([...parts.archives, ...matched.archives, ...archives]),
  }
  const wanted = wantedTables(prod, refs)
  const changes = await settleChecksums(sql, deps, prod, diffTables(wanted, present?.tables ?? NOTHING))

  const digest = digestOf(wanted.build[0] as Row)
  const before = (await findOwned(sql, 'build', [prod.build.id])).get(prod.build.id)?.digest ?? null
  const now = present === null ? null : digestOf(present.tables.build[0] as Row)
  const edited = row.kind === 'ours' && hasContent && before !== null && now !== before && now !== digest
  const clashes: Clash[] = edited
    ? [
        {
          subject: 'build row',
          kind: 'edited',
          prod: wanted.build[0],
          local: present?.tables.build[0],
          decision:
            conflicts.build === 'prod-wins' ? 'prod-won' : conflicts.build === 'hold' ? 'held' : 'local-won',
        },
      ]
    : []
  const keepsRow = edited && conflicts.build !== 'prod-wins'
  return {
    present,
    matched,
    wanted,
    changes: keepsRow ? changes.filter(({ spec }) => spec.name !== 'build') : changes,
    clashes,
    ownTree,
    digest: keepsRow && before !== null ? before : digest,
  }
}

const NOTHING = Object.fromEntries(BUILD_TABLES.map(({ name }) => [name, []])) as unknown as Tables

/**
 * The checksum table is a cache of each hub: what staging's hub cached itself stays as long as its signature does, and a
 * checksum that another rpm holds counts as equal.
 */
async function settleChecksums(
  sql: Sql,
  deps: Deps,
  prod: ProdBuild,
  changes: readonly TableChange[],
): Promise<TableChange[]> {
  const goneSigs = new Set(
    changes.flatMap(({ spec, deletes }) =>
      spec.name === 'rpmsigs' ? deletes.map((row) => `${row.rpm_id} ${row.sigkey}`) : [],
    ),
  )
  const result: TableChange[] = []
  for (const change of changes) {
    if (change.spec.name !== 'rpm_checksum') {
      result.push(change)
      continue
    }
    if (!deps.catalog.has('rpm_checksum')) continue
    const unsupported = prod.rpms.some(({ checksums }) => checksums === 'unsupported')
    const held = await heldChecksums(
      sql,
      deps.catalog,
      change.inserts.map((row) => String(row.checksum)),
    )
    const rest = {
      ...change,
      inserts: change.inserts.filter((row) => !held.has(String(row.checksum))),
      updates: unsupported ? [] : change.updates,
      deletes: change.deletes.filter((row) => goneSigs.has(`${row.rpm_id} ${row.sigkey}`)),
    }
    if (rest.inserts.length + rest.updates.length + rest.deletes.length > 0) result.push(rest)
  }
  return result
}

/** Keys whose signatures are prod's: those ever seen, and those of this answer. */
async function seenKeys(sql: Sql, prod: ProdBuild): Promise<Set<string>> {
  const rows = await sql.query<{ sigkey: string }>('build.sigkeys', 'select sigkey from staging_sync.sigkey')
  return new Set([...rows.map((row) => row.sigkey), ...keysOf(prod)])
}

export function keysOf(prod: ProdBuild): string[] {
  return [...new Set(prod.rpms.flatMap(({ sigs }) => sigs.map((sig) => sig.sigkey)))].sort()
}

/** Of the fields of a build row that have no history: the three-way comparison needs what was last applied. */
function digestOf(row: Row): string {
  const spec = BUILD_TABLES[0]
  const cells = (spec?.values ?? []).map((column) => {
    const cell = row[column] ?? null
    return column === 'extra' && cell !== null
      ? canonicalJson(String(cell))
      : cell === null
        ? null
        : String(cell)
  })
  return createHash('sha256').update(JSON.stringify(cells)).digest('hex')
}

function canonicalJson(text: string): string {
  try {
    return toKojiJson(parseKojiJson(text))
  } catch {
    return text
  }
}
