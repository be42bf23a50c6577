import type { BuildFile, RpmFile, SigcacheFile } from '../model/build-files.ts'
import { signedCopyPath } from '../model/build-files.ts'
import type { NameMatcher } from '../model/pattern.ts'
import { type Expected, UNKNOWN } from './verify-bytes.ts'

/** What of a build is brought to staging. */
export interface Take {
  /** arches of rpms, `src` too; null: all. A left out rpm's signatures are left out with it. */
  readonly arches: NameMatcher | null
  /** Signing keys whose signed copies are to be there. */
  readonly signedKeys: readonly string[]
  readonly sigcache: boolean
  readonly logs: boolean
}

/** A file that must stand in staging, below the build's directory. */
export interface Wanted {
  readonly path: readonly string[]
  readonly expected: Expected
  /** nothing writes such a file anew in its place, as Koji does with signatures (`add_rpm_sig`) */
  readonly immutable: boolean
  /** where in its directory it lies only `metadata.json` tells */
  readonly subdirectory: boolean
  /** a signed copy: of what it can be put together */
  readonly parts: { readonly rpm: readonly string[]; readonly signature: SigcacheFile } | null
}

/** The files that rows name, in an order in which a signed copy comes after its parts. */
export function wantedFiles(files: readonly BuildFile[], take: Take): Wanted[] {
  const first: Wanted[] = []
  const signed: Wanted[] = []
  for (const file of files) {
    const rpm = file.kind === 'rpm' ? file : file.kind === 'sigcache' ? file.rpm : null
    if (rpm !== null && take.arches !== null && !take.arches(rpm.path[0] ?? '')) continue
    if (file.kind !== 'sigcache') first.push(payload(file))
    else {
      if (take.sigcache) first.push(signatureOf(file))
      const copy = signedCopy(file, take)
      if (copy !== null) signed.push(copy)
    }
  }
  return [...first, ...signed]
}

function payload(file: Exclude<BuildFile, SigcacheFile>): Wanted {
  const { path, size, subdirectory } = file
  const known: Expected =
    file.kind === 'rpm'
      ? { size, payloadhash: file.payloadHash, sighash: null, checksums: checksumsOf(file, '') }
      : {
          ...UNKNOWN,
          size,
          checksums: file.digest === null ? [] : [{ type: file.digest.type, value: file.digest.hex }],
        }
  return { path, expected: known, immutable: true, subdirectory, parts: null }
}

/** What a signature's cached header must be. */
export function signatureOf({ path, sigHash }: SigcacheFile): Wanted {
  const expected: Expected = {
    ...UNKNOWN,
    checksums: [{ type: 'md5', value: sigHash }],
    isSignature: true,
  }
  return { path, expected, immutable: false, subdirectory: false, parts: null }
}

function signedCopy(signature: SigcacheFile, take: Take): Wanted | null {
  const path = signedCopyPath(signature)
  if (path === null || !take.signedKeys.includes(signature.sigkey)) return null
  const { rpm, sigHash, sigkey } = signature
  const expected: Expected = {
    size: null,
    payloadhash: rpm.payloadHash,
    sighash: sigHash,
    checksums: checksumsOf(rpm, sigkey),
  }
  return { path, expected, immutable: false, subdirectory: false, parts: { rpm: rpm.path, signature } }
}

function checksumsOf(rpm: RpmFile, sigkey: string): Expected['checksums'] {
  return rpm.checksums
    .filter((checksum) => checksum.sigkey === sigkey)
    .map(({ type, hex }) => ({ type, value: hex }))
}

/**
 * What a file was judged by, in one text: while it is the same, so is the file. Cached checksums of rpms are not in it: they come and
 * go while the rpm stays.
 */
export function proofOf({ size, payloadhash, sighash, checksums }: Expected): string {
  if (payloadhash !== null) return `rpm ${size ?? '-'} ${payloadhash} ${sighash ?? '-'}`
  const texts = checksums.map(({ type, value }) => `${type}:${value}`)
  return `file ${size ?? '-'} ${texts.join(' ')}`.trimEnd()
}
