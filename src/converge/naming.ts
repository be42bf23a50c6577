import { AgainError } from '../errors.ts'
import type { Sql, Tx } from '../staging/database.ts'
import { recordOwned } from '../staging/owned.ts'
import { renameRow } from '../staging/rename.ts'
import type { Deps } from './deps.ts'
import { findHolder, findNamedRow, keyOf, type NamedRow, type NamedRowKind } from './named-row.ts'
import type { Difference } from './settle.ts'
import type { Clash } from './versioned-diff.ts'

/*
 * Names have no history: a rename is an update of the identity row, in Koji too (kojihub.py _edit_tag, _edit_build_target,
 * edit_external_repo). So they are compared three ways: as last applied, in prod, in staging.
 *
 * | last applied | prod  | staging | the new name is    | then                                                           |
 * | ------------ | ----- | ------- | ------------------ | -------------------------------------------------------------- |
 * | any          | A     | A       |                    | nothing (but the record)                                       |
 * | A, or none   | B     | A       | free               | renamed                                                        |
 * | A, or none   | B     | A       | on a row of ours   | that row gets its own name of prod in the same transaction, and so on: a swap is two renames |
 * | any          | B     | A       | on a local row     | held under every policy: neither name can be given up, so the settings go on under the old name |
 * | any          | B     | A       | on a row of ours that was renamed so here | as on a local row, unless `prod-wins` |
 * | A            | A, B  | C       |                    | a local rename: clash; `prod-wins` renames, else staging's name stays |
 */

/** What prod calls things of ours that hold a name which another of ours is to have, by prod id. */
export type NamesOfProd = ReadonlyMap<number, string>

/** Longer chains of renames than anybody makes between two looks. */
const MAX_CHAIN = 50

/**
 * Follows the chain of those of our rows that hold a wanted name, asking prod what each is called now. Empty where the
 * name is right or free.
 */
export async function askNames(
  deps: Deps,
  kind: NamedRowKind,
  row: NamedRow,
  name: string,
  ask: (prodId: number) => Promise<string | null>,
): Promise<NamesOfProd> {
  const { database, owner } = deps
  const names = new Map<number, string>()
  let wanted = name
  while (row.name !== name && names.size < MAX_CHAIN) {
    const holder = await findHolder(database, owner, kind, wanted)
    const other = holder?.prodId ?? null
    if (other === null || other === row.prodId || names.has(other)) break
    const called = await ask(other)
    if (called === null || called === wanted) {
      throw new AgainError('HUB_TORN', `prod has two of ${kind} ${wanted}: it was renamed while we read`)
    }
    names.set(other, called)
    wanted = called
  }
  return names
}

/** The part of a key's difference that its name is: `before` renames, and records the name. */
export async function nameDifference(
  sql: Sql,
  deps: Deps,
  kind: NamedRowKind,
  wanted: { readonly prodId: number; readonly name: string; readonly others: NamesOfProd },
): Promise<Pick<Difference, 'before' | 'clashes'>> {
  const { prodId, name, others } = wanted
  const { owner, conflicts } = deps
  const row = await findNamedRow(sql, owner, kind, prodId)
  if (row === null) throw new AgainError('ROW_GONE', `staging's ${kind} ${name} is gone since it was read`)
  if (row.name === name) {
    if (row.appliedName === name) return { clashes: [] }
    return { clashes: [], before: (tx) => record(tx, kind, [{ ...row, name }]) }
  }

  const clashes: Clash[] = []
  const about = { subject: `${kind} name`, prod: { name }, local: { name: row.name } }
  if (row.appliedName !== null && row.name !== row.appliedName) {
    const prodWins = conflicts.tag === 'prod-wins'
    const decision = prodWins ? 'prod-won' : conflicts.tag === 'hold' ? 'held' : 'local-won'
    clashes.push({ ...about, kind: 'edited', decision })
    if (!prodWins) return { clashes }
  }
  const moves: NamedRow[] = [{ ...row, name }]
  for (let next = name; ; ) {
    const holder = await findHolder(sql, owner, kind, next)
    if (holder === null || moves.some((move) => move.stagingId === holder.stagingId)) break
    const theirs = holder.prodId === null ? null : await findNamedRow(sql, owner, kind, holder.prodId)
    const renamedHere = theirs !== null && theirs.appliedName !== null && theirs.appliedName !== theirs.name
    if (holder.prodId === null || (renamedHere && conflicts.tag !== 'prod-wins')) {
      const local = { name: next, id: holder.stagingId }
      return { clashes: [...clashes, { ...about, kind: 'name', local, decision: 'held' }] }
    }
    const called = others.get(holder.prodId)
    if (called === undefined) throw new AgainError('NAME_TAKEN', `${kind} ${next} has another holder by now`)
    moves.push({
      prodId: holder.prodId,
      stagingId: holder.stagingId,
      name: called,
      appliedName: null,
      recorded: true,
    })
    next = called
  }
  return { clashes, before: (tx) => rename(tx, deps, kind, moves) }
}

/** Gives each row its new name. The keys of the others are marked: their names were read under our claim, not theirs. */
async function rename(tx: Tx, deps: Deps, kind: NamedRowKind, moves: readonly NamedRow[]): Promise<number> {
  // Rows of the seed become ours by record first, or they would count as local.
  await record(tx, kind, moves)
  for (const move of moves) {
    const { done } = await renameRow(tx, kind, kind, { id: move.stagingId, to: move.name })
    if (!done) throw new AgainError('NAME_TAKEN', `${kind} ${move.name} has a local holder by now`)
  }
  // Those that stepped aside for a moment were recorded under that name.
  await record(tx, kind, moves)
  const others = moves.slice(1).map(({ prodId }) => keyOf(kind, prodId))
  await deps.queue.markIn(
    tx,
    others.map((key) => ({ key, priority: 'live' })),
  )
  return moves.length
}

/** Counts nothing: our own table only. */
async function record(tx: Tx, kind: NamedRowKind, rows: readonly NamedRow[]): Promise<number> {
  await recordOwned(
    tx,
    kind,
    rows.map(({ prodId, stagingId, name }) => ({ prodId, stagingId, digest: name })),
  )
  return 0
}
