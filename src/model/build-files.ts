import { checkedName } from './paths.ts'
import type { Archive, ChecksumType, Int64, Rpm, RpmChecksum, RpmSig } from './records.ts'
import { CHECKSUM_TYPES } from './records.ts'

/** A digest of a whole file, in hex. */
export interface FileDigest {
  readonly type: ChecksumType
  readonly hex: string
}

/** What the rows name of an rpm's unsigned form: its path below the build's directory, its size, and what its bytes prove. */
export interface RpmFile {
  readonly kind: 'rpm'
  readonly path: readonly string[]
  readonly size: Int64
  readonly subdirectory: false
  /** md5 of header and payload, hex: the tag SIGMD5 of the rpm's own signature header (rpminfo.payloadhash) */
  readonly payloadHash: string
  /** cached checksums (rpm_checksum) of the unsigned file and of copies signed by a key */
  readonly checksums: readonly (FileDigest & { readonly sigkey: string })[]
}

/** The cached header of one signature. The copy that is signed by it is `signedCopyPath`. */
export interface SigcacheFile {
  readonly kind: 'sigcache'
  readonly path: readonly string[]
  readonly size: null
  readonly subdirectory: false
  /** '' for the header that the rpm came with */
  readonly sigkey: string
  /** md5 of the file, hex (rpmsigs.sighash) */
  readonly sigHash: string
  readonly rpm: RpmFile
}

export interface ArchiveFile {
  readonly kind: 'archive'
  readonly path: readonly string[]
  readonly size: Int64
  /** true: it may lie in a sub-directory of its directory, which only the build's `metadata.json` tells */
  readonly subdirectory: boolean
  /** null: of a type that Koji has not now */
  readonly digest: FileDigest | null
}

/** A file that the rows of a build name, below the build's directory: checked names, the last one is the file's. */
export type BuildFile = RpmFile | SigcacheFile | ArchiveFile

/** What of a build names files. */
export interface FileRows {
  readonly rpms: readonly {
    readonly rpm: Rpm
    readonly sigs: readonly RpmSig[]
    /** 'unsupported': the hub has none */
    readonly checksums: readonly RpmChecksum[] | 'unsupported'
  }[]
  readonly archives: readonly { readonly archive: Archive }[]
}

/**
 * Where Koji opens what the rows name (class PathInfo, koji/__init__.py): rpms with their size (kojihub.py import_rpm takes the
 * file's), the cached header of each signature (add_rpm_sig writes it with the row), archives. Not signed copies: their rows are the
 * same whether a copy was written, or pruned. Throws KeyError STORAGE_NAME_UNSAFE.
 */
export function filesOfBuild({ rpms, archives }: FileRows): BuildFile[] {
  return [
    ...rpms.filter(({ rpm }) => !rpm.metadataOnly).flatMap(filesOfRpm),
    ...archives.filter(({ archive }) => !archive.metadataOnly).map(({ archive }) => fileOfArchive(archive)),
  ]
}

/** Where the copy lies that is signed with a cached header (`PathInfo.signed`). Null: the header is the unsigned rpm's own. */
export function signedCopyPath({ sigkey, rpm }: SigcacheFile): readonly string[] | null {
  return sigkey === '' ? null : ['data', 'signed', sigkey, ...rpm.path]
}

function filesOfRpm({ rpm, sigs, checksums }: FileRows['rpms'][number]): BuildFile[] {
  const arch = checkedName('arch', rpm.arch)
  const nvra = `${rpm.name}-${rpm.version}-${rpm.release}.${rpm.arch}`
  const file: RpmFile = {
    kind: 'rpm',
    path: [arch, checkedName('rpm', `${nvra}.rpm`)],
    size: rpm.size,
    subdirectory: false,
    payloadHash: rpm.payloadhash,
    checksums:
      checksums === 'unsupported'
        ? []
        : checksums.map(({ sigkey, checksumType, checksum }) => ({
            sigkey,
            type: checksumType,
            hex: checksum,
          })),
  }
  return [
    file,
    ...sigs.map(
      ({ sigkey, sighash }): SigcacheFile => ({
        kind: 'sigcache',
        path: [
          ...['data', 'sigcache', ...(sigkey === '' ? [] : [checkedName('sigkey', sigkey)])],
          ...[arch, checkedName('rpm', `${nvra}.rpm.sig`)],
        ],
        size: null,
        subdirectory: false,
        sigkey,
        sigHash: sighash,
        rpm: file,
      }),
    ),
  ]
}

function fileOfArchive(archive: Archive): BuildFile {
  const { btype, maven, win, size } = archive
  const filename = checkedName('archive', archive.filename)
  const type = CHECKSUM_TYPES[archive.checksumType]
  const digest = type === undefined ? null : { type, hex: archive.checksum }
  const inside = (directory: readonly string[], subdirectory = false): ArchiveFile => ({
    kind: 'archive',
    path: [...directory, filename],
    size,
    subdirectory,
    digest,
  })
  if (maven !== null) {
    const group = parts('maven group', maven.groupId, '.')
    const names = [checkedName('artifact', maven.artifactId), checkedName('maven version', maven.version)]
    return inside(['maven', ...group, ...names])
  }
  if (win !== null) return inside(['win', ...parts('win relpath', win.relpath, '/')])
  if (btype === 'image') return inside(['images'])
  return inside(['files', checkedName('build type', btype)], true)
}

function parts(field: string, text: string, separator: string): string[] {
  return text
    .split(separator)
    .filter((name) => name !== '')
    .map((name) => checkedName(field, name))
}
