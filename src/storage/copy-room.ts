import { KeyError } from '../errors.ts'
import { type BuildPlace, versionPath } from '../model/paths.ts'
import type { BytesWriter } from './copy-calls.ts'
import type { Subdirectories } from './copy-metadata.ts'
import type { Wanted } from './copy-wanted.ts'
import { Directory } from './directory.ts'
import { isErrno, orNull } from './errno.ts'

/** A mount over a network answers many at a time. */
const AT_ONCE = 16

/**
 * How many bytes of a build have still to come, as prod's hub says. What stands with the right size counts as being there; where its
 * bytes are others (a snapshot's of another day) it takes no more room than what it replaces.
 */
export async function lackingBytes(
  files: BytesWriter,
  root: string,
  place: BuildPlace,
  wanted: readonly Wanted[],
  subdirectories: Subdirectories,
): Promise<number> {
  const sized = wanted.filter((one) => bytesOf(one) > 0)
  const standing = await Directory.open(files, root, [...versionPath(place), place.release]).catch(
    (error) => {
      // A link to where it was before: all of it comes.
      if (error instanceof KeyError) return null
      throw error
    },
  )
  if (standing === null) return allBytes(wanted)
  try {
    let sum = 0
    for (let at = 0; at < sized.length; at += AT_ONCE) {
      const looks = sized.slice(at, at + AT_ONCE).map(async (one) => {
        for (const path of one.subdirectory ? await subdirectories.of(one) : [one.path])
          if (await isThere(files, standing, path.join('/'), one)) return 0
        return bytesOf(one)
      })
      for (const lacking of await Promise.all(looks)) sum += lacking
    }
    return sum
  } finally {
    await standing.close()
  }
}

/** How many bytes the files are, as prod's hub says. */
export function allBytes(wanted: readonly Wanted[]): number {
  return wanted.reduce((sum, one) => sum + bytesOf(one), 0)
}

/** Of a signature, which is small, nobody knows it; a signed copy is about as long as its rpm. */
function bytesOf({ expected, parts }: Wanted): number {
  return Number(expected.size ?? parts?.signature.rpm?.size ?? 0)
}

async function isThere(
  files: BytesWriter,
  directory: Directory,
  path: string,
  { expected }: Wanted,
): Promise<boolean> {
  try {
    const found = await orNull(files.lstat(directory.at(path)))
    return found?.isFile() === true && (expected.size === null || found.size === BigInt(expected.size))
  } catch (error) {
    if (isErrno(error, 'ENOTDIR', 'ELOOP')) return false
    throw error
  }
}
