import { KeyError } from '../errors.ts'
import type { Directory } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import { MAX_DEPTH } from './farm-plan.ts'
import type { TreeWriter } from './files.ts'

/**
 * Takes away a name in an open directory, with all that is below it; links go, and are not followed. Nothing there is no error.
 * Throws KeyError STORAGE_CLASH where another disk is mounted below it: whatever that is, it is not ours.
 */
export async function removeTree(
  files: TreeWriter,
  parent: Directory,
  name: string,
  depth = 0,
): Promise<void> {
  const at = parent.at(name)
  const found = await orNull(files.lstat(at))
  if (found === null) return
  if (!found.isDirectory()) {
    await orNull(files.unlink(at))
    return
  }
  const { dev } = await parent.stat()
  if (found.dev !== dev || depth > MAX_DEPTH * 2)
    throw new KeyError('STORAGE_CLASH', `${at.shown} is another disk, or deeper than any build`, {
      detail: { path: at.shown },
    })
  const directory = await parent.child(name)
  if (directory === null) return
  try {
    for (const inner of await files.list(directory.at('.'), Number.POSITIVE_INFINITY))
      await removeTree(files, directory, inner, depth + 1)
  } finally {
    await directory.close()
  }
  await orNull(files.rmdir(at))
}

/** Takes away a directory where it is empty. */
export async function removeIfEmpty(files: TreeWriter, parent: Directory, name: string): Promise<boolean> {
  try {
    await files.rmdir(parent.at(name))
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false
    throw error
  }
}
