import { KeyError } from '../errors.ts'

/** Size of the lead, which the signature header follows. */
const LEAD_BYTES = 96
/** Magic, version and four reserved bytes; then the number of entries and of bytes of data. */
const INTRO_BYTES = 16
const ENTRY_BYTES = 16
/** rpm itself refuses more (lib/header.c, signatures: 64 MiB). */
const MAX_DATA_BYTES = 64 * 1024 * 1024
const MAX_ENTRIES = 65_535
/** Nobody's signature header is longer. */
export const MAX_SIGNATURE_BYTES = MAX_DATA_BYTES + MAX_ENTRIES * ENTRY_BYTES + INTRO_BYTES + 8
const SIGTAG_MD5 = 1004
const TYPE_BIN = 7
const MD5_BYTES = 16

/** What is needed of an rpm's start before its signature header can be judged. */
export const RPM_START_BYTES = LEAD_BYTES + INTRO_BYTES

/** Where the signature header lies, as Koji cuts it out (`find_rpm_sighdr`, koji/__init__.py): the padding belongs to it. */
export interface SignatureSpan {
  readonly start: number
  /** where the main header begins */
  readonly end: number
}

/** From the first `RPM_START_BYTES` of a file. Throws KeyError STORAGE_NOT_RPM. */
export function signatureSpan(path: string, start: Buffer): SignatureSpan {
  if (start.length < RPM_START_BYTES) throw notRpm(path, `it ends after ${start.length} bytes`)
  return { start: LEAD_BYTES, end: LEAD_BYTES + headerBytes(path, start.subarray(LEAD_BYTES)) }
}

/** Throws KeyError STORAGE_NOT_RPM unless these bytes are one whole signature header. */
export function assertSignature(path: string, header: Buffer): void {
  if (header.length < INTRO_BYTES || headerBytes(path, header) !== header.length)
    throw notRpm(path, 'its length is not what it says of itself')
}

/**
 * Tag SIGMD5 of a signature header, in hex: the md5 of all that follows it. Koji's `payloadhash` is this (kojihub.py import_rpm), not a
 * digest of the payload. Null: it has none (rpm 6 may leave it out).
 */
export function sigmd5Of(header: Buffer): string | null {
  const entries = header.readUInt32BE(8)
  const store = INTRO_BYTES + entries * ENTRY_BYTES
  let found: string | null = null
  for (let i = 0; i < entries; i++) {
    const at = INTRO_BYTES + i * ENTRY_BYTES
    const offset = store + header.readUInt32BE(at + 8)
    const isMd5 = header.readUInt32BE(at) === SIGTAG_MD5 && header.readUInt32BE(at + 4) === TYPE_BIN
    if (!isMd5 || header.readUInt32BE(at + 12) !== MD5_BYTES || offset + MD5_BYTES > header.length) continue
    // Of doubles the last one counts, as for Koji (class RawHeader).
    found = header.subarray(offset, offset + MD5_BYTES).toString('hex')
  }
  return found
}

/** Length of the signature header that begins here, padded to a multiple of 8. */
function headerBytes(path: string, header: Buffer): number {
  if (header[0] !== 0x8e || header[1] !== 0xad || header[2] !== 0xe8)
    throw notRpm(path, 'it has no signature header')
  const entries = header.readUInt32BE(8)
  const dataBytes = header.readUInt32BE(12)
  if (entries > MAX_ENTRIES || dataBytes > MAX_DATA_BYTES)
    throw notRpm(path, `its signature header says ${entries} entries, ${dataBytes} bytes`)
  const bytes = INTRO_BYTES + entries * ENTRY_BYTES + dataBytes
  return bytes + ((8 - (bytes % 8)) % 8)
}

export function notRpm(path: string, why: string): KeyError {
  return new KeyError('STORAGE_NOT_RPM', `${path} is no rpm: ${why}`, { detail: { path, why } })
}
