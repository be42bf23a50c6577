import type { Step } from '../step.ts'
import { FileError } from './errno.ts'
import { TreeReader } from './files.ts'

/** Bytes free for us in staging's tree; null: it cannot be seen from here. */
export async function readFreeBytes(stagingTopdir: string, step: Step): Promise<number | null> {
  try {
    const { bavail, bsize } = await new TreeReader({ side: 'staging', step }).statfs(stagingTopdir)
    return bavail * bsize
  } catch (error) {
    if (error instanceof FileError) return null
    throw error
  }
}
