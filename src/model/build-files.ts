import { checkedName } from './paths.ts'
import type { Archive, Int64, Rpm, RpmSig } from './records.ts'

/** A file that the rows of a build name, below the build's directory. */
export interface BuildFile {
  /** checked names; the last one is the file's */
  readonly path: readonly string[]
  /** bytes by the row; null: the rows do not say */
  readonly size: Int64 | null
  /** it may lie in a sub-directory of its directory, which only the build's `metadata.json` tells */
  readonly subdirectory: boolean
}

/** What of a build names files. */
export interface FileRows {
  readonly rpms: readonly { readonly rpm: Rpm; readonly sigs: readonly RpmSig[] }[]
  readonly archives: readonly { readonly archive: Archive }[]
}

/**
 * Where Koji opens what the rows name (class PathInfo, koji/__init__.py): rpms with their size (kojihub.py import_rpm takes the
 * file's), the cached header of each signature (add_rpm_sig writes it with the row), archives. Not signed copies: their rows are the
 * same whether a copy was written, or pruned. Throws KeyError STORAGE_NAME_UNSAFE.
 */
export function filesOfBuild({ rpms, archives }: FileRows): BuildFile[] {
  return [
    ...rpms.filter(({ rpm }) => !rpm.metadataOnly).flatMap(({ rpm, sigs }) => filesOfRpm(rpm, sigs)),
    ...archives.filter(({ archive }) => !archive.metadataOnly).map(({ archive }) => fileOfArchive(archive)),
  ]
}

function filesOfRpm(rpm: Rpm, sigs: readonly RpmSig[]): BuildFile[] {
  const arch = checkedName('arch', rpm.arch)
  const nvra = `${rpm.name}-${rpm.version}-${rpm.release}.${rpm.arch}`
  return [
    {
      path: [arch, checkedName('rpm', `${nvra}.rpm`)],
      size: rpm.size,
      subdirectory: false,
    },
    ...sigs.map(({ sigkey }) => ({
      path: [
        ...['data', 'sigcache', ...(sigkey === '' ? [] : [checkedName('sigkey', sigkey)])],
        ...[arch, checkedName('rpm', `${nvra}.rpm.sig`)],
      ],
      size: null,
      subdirectory: false,
    })),
  ]
}

function fileOfArchive(archive: Archive): BuildFile {
  const { btype, maven, win, size } = archive
  const filename = checkedName('archive', archive.filename)
  const inside = (directory: readonly string[], subdirectory = false): BuildFile => ({
    path: [...directory, filename],
    size,
    subdirectory,
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
