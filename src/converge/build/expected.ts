import type { Expectation } from '../../model/outcome.ts'
import { BUILD_STATE, type Build, type Rpm } from '../../model/records.ts'
import type { ClaimedExpectation } from '../../queue/queue.ts'
import { isWhole, type ProdBuild, type ProdRpm } from './observe.ts'

/** Our own expectation of a fresh import: that no more rpms come. */
export const SETTLED: Expectation = { subject: 'settled', claim: 'import' }

/** Looks at 0.1, 1 and 5 seconds fall into this. */
const SETTLE_MS = 6_000

/** What a signature is looked for in. */
type SignedRpm = Pick<ProdRpm, 'sigs' | 'checksums'> & {
  readonly rpm: Pick<Rpm, 'name' | 'version' | 'release' | 'arch'>
}

/** Of the claims of messages, those that prod does not show. `state` is claimed as a number, `sig:<nvra>:<key>` as present. */
export function unmetOf(expect: readonly Expectation[], prod: ProdBuild | Build | null): Expectation[] {
  const build = prod === null ? null : isWhole(prod) ? prod.build : prod
  const rpms = prod === null || !isWhole(prod) ? [] : prod.rpms
  return expect.filter((expectation) => {
    const { subject, claim } = expectation
    if (subject === 'state') return build === null || String(build.state) !== claim
    if (subject.startsWith('sig:'))
      return build?.state === BUILD_STATE.complete && !showsSignature(expectation, rpms)
    return false
  })
}

/**
 * What prod may still be about to write, though no message will tell: the rest of an import by hand (see
 * `BuildWork.settles`), and the checksums of a signed copy, which the hub caches when it writes the copy, some time after
 * the signature (kojihub.py write_signed_rpm).
 */
export function awaitedOf<E extends Expectation>(
  expect: readonly E[],
  { rpms }: { readonly rpms: readonly SignedRpm[] },
): E[] {
  return expect.filter(({ subject }) => subject === SETTLED.subject || lacksChecksum(rpms, subject))
}

/** Those that are young enough; `nowMs` is the database's clock. */
export function stillAwaited<E extends ClaimedExpectation>(awaited: readonly E[], nowMs: number): E[] {
  return awaited.filter(({ sinceMs }) => nowMs - sinceMs < SETTLE_MS)
}

/** `sig:<nvra>:<key>`, the subject that a signature is expected under. */
export function showsSignature({ subject }: Expectation, rpms: readonly SignedRpm[]): boolean {
  return rpms.some(({ rpm, sigs }) => sigs.some(({ sigkey }) => subjectOf(rpm, sigkey) === subject))
}

/** A signature that prod shows, without a checksum of the copy that is signed by it. */
function lacksChecksum(rpms: readonly SignedRpm[], subject: string): boolean {
  return rpms.some(
    ({ rpm, sigs, checksums }) =>
      checksums !== 'unsupported' &&
      sigs.some(
        ({ sigkey }) =>
          subjectOf(rpm, sigkey) === subject && !checksums.some((checksum) => checksum.sigkey === sigkey),
      ),
  )
}

function subjectOf({ name, version, release, arch }: SignedRpm['rpm'], sigkey: string): string {
  return `sig:${name}-${version}-${release}.${arch}:${sigkey}`
}
