import { isErrno } from './errno.ts'
import type { FarmTexts } from './farm-standing.ts'
import type { Ground } from './ground.ts'
import { inspectFiles, type NamedFile, type Sight } from './inspect.ts'
import type { FileFault } from './placement.ts'

/** Looks at a farm's files as staging's hosts see them: a link into prod is looked up where prod is mounted here. */
export async function inspectFarm(
  ground: Ground,
  texts: FarmTexts,
  prodTopdir: string,
  directory: string,
  files: readonly NamedFile[],
): Promise<FileFault[]> {
  if (!(await isThere(ground, directory))) return files.length === 0 ? [] : [{ path: '', fault: 'missing' }]
  const seen = async (at: Parameters<Sight['stat']>[0]) => {
    const path = typeof at === 'string' ? at : at.path
    const { staging, prod } = ground
    if (!(await staging.lstat(path)).isSymbolicLink()) return { tree: staging, path }
    const text = await staging.readlink(path)
    return texts.isInside(text)
      ? { tree: prod, path: texts.seenFrom(prodTopdir, text) }
      : { tree: staging, path }
  }
  const sight: Sight = {
    stat: async (at) => {
      const { tree, path } = await seen(at)
      return tree.stat(path)
    },
    read: async (at) => {
      const { tree, path } = await seen(at)
      return tree.read(path)
    },
  }
  return inspectFiles(sight, directory, files)
}

async function isThere({ staging }: Ground, directory: string): Promise<boolean> {
  try {
    await staging.lstat(directory)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false
    throw error
  }
}
