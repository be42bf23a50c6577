import { constants } from 'node:os'
import { AgainError, KeyError, OutageError } from '../errors.ts'

/** Which tree a call was about. */
export type Side = 'prod' | 'staging'

/** A file system call that failed; `errno` is its name (`ENOENT`), `path` the real path, not one through a handle. */
export class FileError extends Error {
  override name = 'FileError'
  readonly side: Side
  readonly verb: string
  readonly path: string
  readonly errno: string
  constructor(side: Side, verb: string, path: string, errno: string, cause: unknown) {
    super(`${verb} ${path}: ${errno}`, { cause })
    this.side = side
    this.verb = verb
    this.path = path
    this.errno = errno
  }
}

/** The errno's name, also of those that Node has no name for (ESTALE, EDQUOT come as "Unknown system error"). Null: no errno. */
export function errnoOf(thrown: unknown): string | null {
  if (!(thrown instanceof Error)) return null
  const { code, errno } = thrown as NodeJS.ErrnoException
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return code
  if (typeof errno !== 'number') return null
  const known = Object.entries(constants.errno).find(([, value]) => value === -errno)
  return known?.[0] ?? null
}

export function isErrno(thrown: unknown, ...names: readonly string[]): boolean {
  return thrown instanceof FileError && names.includes(thrown.errno)
}

/** The promise's value, or null where nothing is there (ENOENT). */
export async function orNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null
    throw error
  }
}

/**
 * What a failed call means to the caller; anything else than a FileError is given back as it is.
 *
 * | tree    | errno                                  | meaning                                                   |
 * | ------- | -------------------------------------- | --------------------------------------------------------- |
 * | either  | ENAMETOOLONG                           | KeyError STORAGE_NAME_UNSAFE: this disk takes shorter ones |
 * | prod    | any other                              | OutageError STORAGE_MOUNT                                 |
 * | staging | ENOENT, EEXIST, ENOTEMPTY              | AgainError STORAGE_RACE: changed between two looks        |
 * | staging | ENOTDIR, EISDIR, ELOOP                 | KeyError STORAGE_CLASH: not the kind of thing that we left |
 * | staging | any other (EROFS, ENOSPC, EACCES, ...) | OutageError STORAGE_DISK                                  |
 */
export function meaningOf(thrown: unknown): unknown {
  if (!(thrown instanceof FileError)) return thrown
  const { side, verb, path, errno } = thrown
  const options = { detail: { side, verb, path, errno }, cause: thrown }
  const text = `${verb} ${path}: ${errno}`
  if (errno === 'ENAMETOOLONG')
    return new KeyError('STORAGE_NAME_UNSAFE', `${side}'s file system takes no such name: ${text}`, options)
  if (side === 'prod') return new OutageError('storage', 'STORAGE_MOUNT', `prod's tree: ${text}`, options)
  if (['ENOENT', 'EEXIST', 'ENOTEMPTY'].includes(errno))
    return new AgainError('STORAGE_RACE', `staging's tree changed meanwhile: ${text}`, options)
  if (['ENOTDIR', 'EISDIR', 'ELOOP'].includes(errno))
    return new KeyError('STORAGE_CLASH', `staging's tree holds something else there: ${text}`, options)
  return new OutageError('storage', 'STORAGE_DISK', `staging's tree: ${text}`, options)
}
