import type { Config } from '../../config/config.ts'
import { BUILD_STATE } from '../../model/records.ts'
import type { Clash } from '../versioned-diff.ts'
import type { TableChange } from './diff.ts'
import { describeUse, type UsedParts } from './local-use.ts'
import type { Matched } from './match.ts'
import type { ProdBuild } from './observe.ts'
import { type BuildRow, nvrOf } from './row.ts'
import type { Row, Tables } from './tables.ts'

type Conflicts = Config['conflicts']

/** Where staging has a build of the same NVR that is its own: adopted when it holds the same content, else a clash. */
export function clashOfNvr(
  conflicts: Conflicts,
  prod: ProdBuild,
  row: BuildRow,
  sides: { readonly tables: Tables; readonly wanted: Tables; readonly matched: Matched },
): Clash | null {
  const { tables, wanted, matched } = sides
  const clash = { subject: nvrOf(prod), kind: 'nvr', prod: wanted, local: tables }
  if (row.kind === 'blocked') return { ...clash, decision: 'held' }
  if (row.kind !== 'local') return null
  const isSame =
    tables.build[0]?.state === BUILD_STATE.complete &&
    matched.newRpms.length === 0 &&
    matched.newArchives.length === 0 &&
    sameBy(tables.rpminfo, wanted.rpminfo, 'payloadhash') &&
    sameBy(tables.archiveinfo, wanted.archiveinfo, 'checksum')
  return isSame ? null : { ...clash, decision: decisionOf(conflicts.build) }
}

/** Staging's people deleted, cancelled or reset a build of prod. */
export function clashOfRemoval(conflicts: Conflicts, prod: ProdBuild, present: Row): Clash {
  return {
    subject: nvrOf(prod),
    kind: 'removed',
    prod: { state: BUILD_STATE.complete },
    local: { state: present.state },
    decision: decisionOf(conflicts.build),
  }
}

/** Staging's people changed columns of the build's row, which has no history. */
export function editClash(
  conflicts: Conflicts,
  columns: readonly string[],
  present: Row | undefined,
  wanted: Row,
): Clash | null {
  if (columns.length === 0) return null
  const only = (row: Row | undefined): Row =>
    Object.fromEntries(columns.map((name) => [name, row?.[name] ?? null]))
  return {
    subject: `build row: ${columns.join(', ')}`,
    kind: 'edited',
    prod: only(wanted),
    local: only(present),
    decision: decisionOf(conflicts.build),
  }
}

/** Rpms and archives that prod has no more and staging's own things use: held, they stay with all that hangs on them. */
export function clashOfUse(
  conflicts: Conflicts,
  prod: ProdBuild,
  changes: readonly TableChange[],
  used: UsedParts,
): { readonly changes: readonly TableChange[]; readonly clash: Clash | null } {
  const gone = changes.flatMap(({ spec, deletes }) =>
    deletes.filter(
      (row) =>
        (spec.name === 'rpminfo' && used.rpms.has(row.id as number)) ||
        (spec.name === 'archiveinfo' && used.archives.has(row.id as number)),
    ),
  )
  if (gone.length === 0) return { changes, clash: null }
  const isHeld = conflicts.onRemoved === 'hold'
  const use = { tags: [], buildroots: used.buildroots, archives: used.otherArchives }
  const clash: Clash = {
    subject: `${nvrOf(prod)}: what prod removed is used in ${describeUse(use)}`,
    kind: 'on_removed',
    prod: null,
    local: gone,
    decision: isHeld ? 'held' : 'prod-won',
  }
  return { changes: isHeld ? withoutDeletes(changes, used) : changes, clash }
}

/** Without the deletes of these rpms and archives, and of what hangs on them. */
export function withoutDeletes(
  changes: readonly TableChange[],
  stay: { readonly rpms: ReadonlySet<unknown>; readonly archives: ReadonlySet<unknown> },
): TableChange[] {
  return changes.map((change) => {
    const stays = (row: Row): boolean => {
      if (change.spec.name === 'rpminfo') return stay.rpms.has(row.id)
      if (change.spec.name === 'archiveinfo') return stay.archives.has(row.id)
      return row.archive_id !== undefined ? stay.archives.has(row.archive_id) : stay.rpms.has(row.rpm_id)
    }
    return { ...change, deletes: change.deletes.filter((row) => !stays(row)) }
  })
}

function decisionOf(policy: Conflicts['build']): Clash['decision'] {
  if (policy === 'prod-wins') return 'prod-won'
  return policy === 'hold' ? 'held' : 'local-won'
}

function sameBy(present: readonly Row[], wanted: readonly Row[], column: string): boolean {
  const byId = new Map(wanted.map((row) => [row.id, row[column]]))
  return present.every((row) => byId.get(row.id) === row[column])
}
