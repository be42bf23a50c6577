import { queryRPMSigs } from '../../hub/calls-content.ts'
import { HubFault } from '../../hub/fault.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import type { Expectation } from '../../model/outcome.ts'
import { type Claim, isFenceBusy } from '../../queue/queue.ts'
import type { Sql, Tx } from '../../staging/database.ts'
import { announceAhead } from '../../staging/debt.ts'
import { insertRows } from '../../staging/rows.ts'
import type { Converged, Deps } from '../deps.ts'
import { keysOf } from './look.ts'
import type { ProdRpm } from './observe.ts'
import { readSigned, type SignedBuild, type StandingRpm } from './signed.ts'
import type { Row } from './tables.ts'
import { signatureRows } from './wanted.ts'

/** A message so young tells of a signature that is new, and whose signed copy is still to be made. */
const FRESH_MS = 100

/** Signatures in prod of an rpm of staging's. */
type Signed = Pick<ProdRpm, 'sigs'> & { readonly rpm: StandingRpm }

/**
 * The first look after a message that only tells of signatures: those that staging lacks are added, to prod's rpms by their ids,
 * which Koji never uses twice; so nothing else has to be asked of prod. Whatever else may differ (checksums, removals) is seen
 * by the second look, a tenth of a second later, which each of these claims gets. null: it must be looked at as a whole.
 */
export async function addNewSignatures(
  deps: Deps,
  work: { readonly buildId: number; readonly nvras: readonly string[]; readonly claim: Claim },
  { known, prod }: SignaturesSeen,
): Promise<Converged | null> {
  const { database, catalog, queue } = deps
  const { claim } = work
  const isFresh = claim.expect.every(({ sinceMs }) => known.nowMs - sinceMs < FRESH_MS)
  if (!isFresh || prod === null) return null

  const look = (sql: Sql): Promise<SignedBuild | null> => readSigned(sql, catalog, work.buildId, work.nvras)
  const write = async (tx: Tx): Promise<{ readonly rows: number; readonly isEqual: boolean } | null> => {
    const added = lacking(prod, await look(tx))
    if (added === null || added.length === 0) return null
    const writes = [
      insertRows(tx, catalog, 'rpmsigs', added),
      announceAhead(tx, known.tagIds, deps.owner.userId),
      queue.fenceAtOnce(tx, claim, { relook: claim.expect, nowMs: known.nowMs }),
    ]
    const [after] = await Promise.all([tx.commit(look), ...writes])
    return { rows: added.length, isEqual: lacking(prod, after)?.length === 0 }
  }
  const written = await database.transaction('build', write).catch((error: unknown) => {
    if (isFenceBusy(error)) return null
    throw error
  })
  if (written === null) return null
  if (!written.isEqual) await queue.mark([{ key: claim.key, priority: claim.priority }])
  return { outcome: { kind: 'applied', rows: written.rows }, unmet: claim.expect, fenced: true }
}

/** What is known of a build when its new signatures may be added. */
export interface SignaturesSeen {
  /** staging's side; it was read before prod's */
  readonly known: SignedBuild
  /** of its rpms; null: they cannot just be added */
  readonly prod: readonly Signed[] | null
}

/** Reads both sides. Asks nothing of prod where a key is claimed that is new: its signatures are not just added. null: as `readSigned`. */
export async function seeSignatures(
  { database, catalog, hub }: Pick<Deps, 'database' | 'catalog' | 'hub'>,
  about: {
    readonly buildId: number
    readonly nvras: readonly string[]
    readonly expect: readonly Expectation[]
  },
  options: ReadOptions,
): Promise<SignaturesSeen | null> {
  const known = await readSigned(database, catalog, about.buildId, about.nvras)
  if (known === null) return null
  // By a key that was never seen from prod staging's people may have signed, too.
  const isNew = (key: string): boolean => !known.sigkeys.includes(key)
  const claimed = about.expect.map(({ subject }) => subject.slice(subject.lastIndexOf(':') + 1))
  if (claimed.some(isNew)) return { known, prod: null }
  try {
    const answers = await hub.read(
      known.rpms.map(({ prodId }) => queryRPMSigs({ rpmId: prodId })),
      options,
    )
    const prod = known.rpms.map((rpm, i): Signed => ({ rpm, sigs: answers[i] ?? [] }))
    return { known, prod: keysOf({ rpms: prod }).some(isNew) ? null : prod }
  } catch (error) {
    // An rpm that is gone.
    if (error instanceof HubFault) return { known, prod: null }
    throw error
  }
}

/** Rows of signatures that staging lacks; null when it does not stand as it did, or has another one by the same key. */
function lacking(prod: readonly Signed[], now: SignedBuild | null): Row[] | null {
  if (now === null) return null
  const missing: Row[] = []
  for (const item of prod) {
    const standing = now.rpms.find(({ id, prodId }) => id === item.rpm.id && prodId === item.rpm.prodId)
    if (standing === undefined) return null
    for (const row of signatureRows(item, standing.id)) {
      const same = standing.rpmsigs.find(({ sigkey }) => sigkey === row.sigkey)
      if (same === undefined) missing.push(row)
      else if (same.sighash !== row.sighash) return null
    }
  }
  return missing
}
