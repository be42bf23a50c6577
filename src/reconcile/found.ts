import type { Op } from '../converge/ops.ts'
import type { Difference } from '../converge/settle.ts'
import { identity } from '../converge/versioned-diff.ts'
import type { Drift, DriftKind } from '../model/drift.ts'
import type { Key } from '../model/key.ts'
import type { Cell } from '../staging/cell.ts'
import { VERSIONED, type VersionedName } from '../staging/versioned-tables.ts'

/**
 * A difference as a comparison finds it. `open`: nobody has decided yet, the record of clashes tells; `local`: policy left
 * it to staging, so it is none.
 */
export interface Found extends Omit<Drift, 'state'> {
  readonly state: 'drift' | 'held' | 'local' | 'open'
}

const KIND_OF: Readonly<Record<VersionedName, DriftKind>> = {
  tag_config: 'tag',
  tag_extra: 'extra',
  tag_inheritance: 'inheritance',
  tag_external_repos: 'external-repos',
  group_config: 'groups',
  group_package_listing: 'groups',
  group_req_listing: 'groups',
  tag_packages: 'package',
  tag_package_owners: 'package',
  tag_listing: 'listing',
  build_target_config: 'target',
  external_repo_config: 'external-repo',
}

/** What people call an id of staging in that column; undefined: nobody knows. */
export type NameOf = (column: string, id: unknown) => string | undefined

export interface About {
  readonly key: Key
  readonly tag: string | null
  /** of rows that are about the thing itself */
  readonly subject: string
  readonly nameOf: NameOf
}

type Cells = Readonly<Record<string, Cell>>
type Shown = Readonly<Record<string, unknown>>

/** The converger's own difference of a key, row by row. */
export function foundOf(difference: Pick<Difference, 'ops' | 'clashes'>, about: About): Found[] {
  const rows = new Map<
    string,
    { table: VersionedName; subject: string; prod: Shown | null; staging: Shown | null }
  >()
  for (const op of difference.ops) {
    const cells = cellsOf(op)
    const at = `${op.table} ${identity(cells, VERSIONED[op.table].key)}`
    const row = rows.get(at) ?? { table: op.table, subject: subjectOf(op, about), prod: null, staging: null }
    const named = namedCells(cells, about.nameOf)
    rows.set(at, op.kind === 'create' ? { ...row, prod: named } : { ...row, staging: named })
  }
  const drifts = [...rows.values()].map(
    ({ table, subject, prod, staging }): Found => ({
      ...base(about),
      kind: KIND_OF[table],
      subject,
      prod,
      staging,
      state: 'drift',
    }),
  )
  const clashes = difference.clashes.flatMap((clash): Found[] => {
    // What prod wins is among the rows.
    if (clash.decision === 'prod-won') return []
    const table = clash.subject.split(' ')[0] ?? ''
    const kind = Object.hasOwn(KIND_OF, table) ? KIND_OF[table as VersionedName] : kindOfKey(about.key)
    const state = clash.decision === 'held' ? 'held' : 'local'
    return [
      {
        ...base(about),
        kind,
        subject: `${about.subject}: ${clash.kind} ${clash.subject}`,
        prod: clash.prod,
        staging: clash.local,
        state,
      },
    ]
  })
  return [...drifts, ...clashes]
}

/** The kind of a difference that is about all of a key. */
export function kindOfKey(key: Key): DriftKind {
  if (key.kind === 'tagged') return 'listing'
  return key.kind === 'lookup' ? 'build' : key.kind
}

function base(about: About): Pick<Found, 'key' | 'tag'> {
  return { key: about.key, tag: about.tag }
}

function cellsOf(op: Op): Cells {
  return op.kind === 'create' ? op.cells : op.row.cells
}

/** `f43: parent f42`; of the thing itself only its name. */
function subjectOf(op: Op, about: About): string {
  const own = new Set(['tag_id', 'build_target_id', 'external_repo_id'])
  const columns = VERSIONED[op.table].key
  const rest = columns.filter((column, i) => i > 0 || !own.has(column))
  if (rest.length === 0) return about.subject
  const cells = cellsOf(op)
  const names = rest.map((column) => about.nameOf(column, cells[column]) ?? String(cells[column]))
  return `${about.subject}: ${names.join(' ')}`
}

function namedCells(cells: Cells, nameOf: NameOf): Shown {
  return Object.fromEntries(
    Object.entries(cells)
      .filter(([column]) => column !== 'tag_id')
      .map(([column, cell]) => [column, cell === null ? null : (nameOf(column, cell) ?? cell)]),
  )
}
