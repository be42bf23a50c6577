import type { BuildFile } from '../model/build-files.ts'
import { grouped } from '../model/grouped.ts'
import { MAX_METADATA_BYTES, outputsOf } from './copy-metadata.ts'
import { isErrno } from './errno.ts'
import type { TreeReader } from './files.ts'
import type { FileFault } from './placement.ts'

/** A mount over a network answers many at a time. */
const AT_ONCE = 8

/** What is looked for. */
export type NamedFile = Pick<BuildFile, 'path' | 'size' | 'subdirectory'>

/** How a path is looked at: as Koji would open it. */
export type Sight = Pick<TreeReader, 'stat' | 'read'>

/** Looks at files below a build's directory by their names and sizes; reads no content but the build's own metadata. */
export async function inspectFiles(
  tree: Sight,
  directory: string,
  files: readonly Pick<BuildFile, 'path' | 'size' | 'subdirectory'>[],
): Promise<FileFault[]> {
  let metadata: Promise<Metadata> | null = null
  const inspect = async (file: (typeof files)[number]): Promise<FileFault | null> => {
    const fault = await inspectOne(tree, directory, file)
    if (fault?.fault !== 'missing' || !file.subdirectory) return fault
    metadata ??= readMetadata(tree, directory)
    for (const { names } of (await metadata).get(file.path.at(-1) ?? '') ?? []) {
      const path = [...file.path.slice(0, -1), ...names, file.path.at(-1) ?? '']
      const there = await inspectOne(tree, directory, { path, size: file.size })
      if (there?.fault !== 'missing') return there
    }
    return fault
  }
  const faults: FileFault[] = []
  for (let at = 0; at < files.length; at += AT_ONCE) {
    const some = await Promise.all(files.slice(at, at + AT_ONCE).map(inspect))
    faults.push(...some.filter((fault) => fault !== null))
  }
  return faults
}

async function inspectOne(
  tree: Sight,
  directory: string,
  file: Pick<BuildFile, 'path' | 'size'>,
): Promise<FileFault | null> {
  const path = file.path.join('/')
  try {
    const found = await tree.stat(`${directory}/${path}`)
    if (!found.isFile()) return { path, fault: 'no file' }
    return file.size === null || found.size === BigInt(file.size) ? null : { path, fault: 'other size' }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
    return { path, fault: 'missing' }
  }
}

/** By file name. */
type Metadata = ReadonlyMap<string, readonly { readonly names: readonly string[] }[]>

async function readMetadata(tree: Sight, directory: string): Promise<Metadata> {
  const path = `${directory}/metadata.json`
  try {
    if ((await tree.stat(path)).size > BigInt(MAX_METADATA_BYTES)) return new Map()
    return grouped(outputsOf(JSON.parse(await tree.read(path))), ({ filename }) => filename)
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return new Map()
    throw error
  }
}
