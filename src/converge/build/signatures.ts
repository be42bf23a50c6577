import { AgainError } from '../../errors.ts'
import { getBuild } from '../../hub/calls-build.ts'
import { getRPMChecksums, queryRPMSigs } from '../../hub/calls-content.ts'
import { HubFault } from '../../hub/fault.ts'
import type { Hub, ReadOptions } from '../../hub/hub.ts'
import type { Expectation, Outcome } from '../../model/outcome.ts'
import { BUILD_STATE } from '../../model/records.ts'
import { type Claim, FIRST_GENERATION } from '../../queue/queue.ts'
import type { Sql, Tx } from '../../staging/database.ts'
import { announce } from '../announce.ts'
import type { Converged, Deps } from '../deps.ts'
import { afterCommit } from './after-commit.ts'
import { passGate, writeChanges } from './apply.ts'
import { diffTables, type TableChange } from './diff.ts'
import { awaitedOf, showsSignature, stillAwaited } from './expected.ts'
import { keysOf, NOTHING, settleChanges } from './look.ts'
import { addNewSignatures, type SignaturesSeen, seeSignatures } from './new-signatures.ts'
import { type ProdRpm, sameBuild } from './observe.ts'
import { readSigned, type SignedBuild, type StandingRpm } from './signed.ts'
import { Together } from './together.ts'
import { checksumRows, signatureRows } from './wanted.ts'

const SUBJECT = /^sig:(.+):[^:]*$/

/** What prod has of the named rpms. */
interface SignedInProd {
  readonly rpms: readonly Signed[]
  /** of the build */
  readonly creation: { readonly event: number; readonly time: string }
}

type Signed = Pick<ProdRpm, 'sigs' | 'checksums'> & { readonly rpm: StandingRpm }

/**
 * The short way of a build of which only signatures were told: a signing run sends one message for each rpm, and reading the
 * whole build for each would cost the square of its size. null: nothing was done, the build is to be looked at whole.
 *
 * Reads the signatures and checksums of the named rpms alone, between two reads of the build's row, and applies what differs.
 */
export async function convergeSignatures(
  deps: Deps,
  buildId: number,
  claim: Claim,
  options: ReadOptions,
  foreseen: Promise<SignaturesSeen | null> | null,
): Promise<Converged | null> {
  const nvras = claim.onlyExpected ? nvrasOf(claim.expect) : null
  if (nvras === null) return null
  const { database, catalog, hub } = deps
  const early = claim.generation === FIRST_GENERATION ? foreseen : null
  const seen = await (early ?? seeSignatures(deps, { buildId, nvras, expect: claim.expect }, options))
  if (seen === null) return null
  const added = await addNewSignatures(deps, { buildId, nvras, claim }, seen)
  if (added !== null) return added
  const { known } = seen
  const prod = await observe(hub, buildId, known, options)
  if (prod === null) return null
  const relook = [
    ...claim.expect.filter((expectation) => !showsSignature(expectation, prod.rpms)),
    ...stillAwaited(awaitedOf(claim.expect, prod), known.nowMs),
  ]
  if ((await changesOf(database, deps, prod, known)).length === 0)
    return { outcome: { kind: 'unchanged' }, unmet: relook, fenced: false }
  const { rows, stopped } = await database.transaction('build', (tx) =>
    write(tx, deps, { buildId, claim, nvras, prod, relook }),
  )
  await afterCommit(deps, claim, async () => {
    const now = await readSigned(database, catalog, buildId, nvras)
    const isEqual = now !== null && (stopped > 0 || (await changesOf(database, deps, prod, now)).length === 0)
    if (!isEqual) await deps.queue.mark([{ key: claim.key, priority: claim.priority }])
  })
  return { outcome: outcomeOf(rows, stopped), unmet: relook, fenced: true }
}

/**
 * Begins to read what a message that only tells of signatures asks for, while it is marked and claimed; null: it tells more. The
 * second look that each of them gets mends what an older read than another daemon's adds.
 */
export function foreseeSignatures(
  deps: Deps,
  buildId: number,
  expect: readonly Expectation[],
  options: ReadOptions,
): Promise<SignaturesSeen | null> | null {
  const nvras = nvrasOf(expect)
  if (nvras === null) return null
  const seen = seeSignatures(deps, { buildId, nvras, expect }, options)
  seen.catch(() => {})
  return seen
}

/** The rpms that are named; null when something else is expected, too. */
function nvrasOf(expect: readonly Expectation[]): string[] | null {
  const nvras = expect.map(({ subject }) => SUBJECT.exec(subject)?.[1])
  const named = nvras.filter((nvra) => nvra !== undefined)
  return named.length === nvras.length && named.length > 0 ? [...new Set(named)] : null
}

/** null: it is not the COMPLETE build that was applied, or it is being changed just now. */
async function observe(
  hub: Hub,
  buildId: number,
  { base, rpms }: SignedBuild,
  options: ReadOptions,
): Promise<SignedInProd | null> {
  const parts = new Together()
  const first = parts.add([getBuild(buildId)])
  const sigs = parts.add(rpms.map(({ prodId }) => queryRPMSigs({ rpmId: prodId })))
  const checksums = parts.add(rpms.map(({ prodId }) => getRPMChecksums(prodId)))
  const last = parts.last([getBuild(buildId)])
  try {
    await parts.read(hub, options)
  } catch (error) {
    // An rpm that is gone.
    if (error instanceof HubFault) return null
    throw error
  }
  const [build = null] = first()
  if (build?.state !== BUILD_STATE.complete || build.creationEvent !== base.prodEvent) return null
  if (!sameBuild(build, last()[0])) return null
  return {
    creation: { event: build.creationEvent, time: build.creationTime },
    rpms: rpms.map((rpm, i) => ({ rpm, sigs: sigs()[i] ?? [], checksums: checksums()[i] ?? [] })),
  }
}

/** What of the named rpms differs. Signatures by keys that were never seen from prod are staging's own. */
async function changesOf(
  sql: Sql,
  { catalog }: Deps,
  prod: SignedInProd,
  { rpms, sigkeys }: SignedBuild,
): Promise<TableChange[]> {
  const prods = new Set([...sigkeys, ...keysOf(prod)])
  const changes = diffTables(
    {
      ...NOTHING,
      rpmsigs: prod.rpms.flatMap((item) => signatureRows(item, item.rpm.id)),
      rpm_checksum: prod.rpms.flatMap((item) => checksumRows(item, item.rpm.id)),
    },
    {
      ...NOTHING,
      rpmsigs: rpms.flatMap(({ rpmsigs }) => rpmsigs).filter(({ sigkey }) => prods.has(String(sigkey))),
      rpm_checksum: rpms.flatMap(({ rpm_checksum }) => rpm_checksum),
    },
  )
  return settleChanges(sql, catalog, prod, changes, new Set())
}

async function write(
  tx: Tx,
  deps: Deps,
  work: {
    readonly buildId: number
    readonly claim: Claim
    readonly nvras: readonly string[]
    readonly prod: SignedInProd
    readonly relook: readonly Expectation[]
  },
): Promise<{ rows: number; stopped: number }> {
  const { catalog, queue } = deps
  const { buildId, claim, prod } = work
  const now = await readSigned(tx, catalog, buildId, work.nvras)
  const ids = (rpms: readonly StandingRpm[]): string => rpms.map(({ id }) => id).join()
  if (now === null || ids(now.rpms) !== ids(prod.rpms.map(({ rpm }) => rpm)))
    throw new AgainError('BUILD_OTHER_ROW', `build ${buildId}: staging's row changed while it was looked at`)
  const gate = await passGate(tx, await changesOf(tx, deps, prod, now))
  const { written } = await writeChanges(tx, catalog, gate.changes, prod.creation)
  const newKeys = keysOf(prod).filter((key) => !now.sigkeys.includes(key))
  const [rows] = await Promise.all([
    written,
    newKeys.length === 0
      ? null
      : tx.query(
          'build.sigkeys',
          'insert into staging_sync.sigkey (sigkey) select unnest($1::text[]) on conflict do nothing',
          [newKeys],
        ),
    announce(tx, deps, now.tagIds),
    queue.fence(tx, claim, { relook: work.relook }),
  ])
  return { rows, stopped: gate.stopped }
}

function outcomeOf(rows: number, stopped: number): Outcome {
  if (stopped > 0) return { kind: 'held', reason: `${stopped} unproved removals are over the budget`, rows }
  return rows > 0 ? { kind: 'applied', rows } : { kind: 'unchanged' }
}
