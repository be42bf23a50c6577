/** What a file or stream of a dump is, by its first bytes. */
export type DumpFormat = 'plain' | 'gzip' | 'xz' | 'zstd' | 'bzip2' | 'custom' | 'tar'

/** Bytes that must be seen to tell. */
export const FORMAT_BYTES = 512

/** Each compressor's and pg_dump's own magic; what has none is taken for SQL. */
export function formatOf(head: Buffer): DumpFormat {
  if (head.subarray(0, 2).equals(Buffer.from([0x1f, 0x8b]))) return 'gzip'
  if (head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]))) return 'xz'
  if (head.subarray(0, 4).equals(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))) return 'zstd'
  if (head.subarray(0, 3).toString('latin1') === 'BZh') return 'bzip2'
  if (head.subarray(0, 5).toString('latin1') === 'PGDMP') return 'custom'
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return 'tar'
  return 'plain'
}

/** How many bytes of SQL one byte of it makes, roughly, on the high side: an estimate, nothing that was measured. */
export const EXPANSION: Readonly<Record<DumpFormat, number>> = {
  plain: 1,
  gzip: 6,
  custom: 6,
  tar: 1,
  zstd: 7,
  bzip2: 8,
  xz: 10,
}
