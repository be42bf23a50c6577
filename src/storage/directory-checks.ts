import { constants } from 'node:fs'
import { fail, ok, type StorageCheck } from './check.ts'
import { isErrno } from './errno.ts'
import { TreeReader } from './files.ts'

/** Directories of names, and of versions within each, that are looked at. */
const NAMES = 200
const VERSIONS = 5

/**
 * Whether the directories that staging's hub made (`packages/NAME`, `packages/NAME/VERSION`; by its umask mode 0755, the hub's own) take our
 * links and directories, too: a sample of them, for `doctor`. One that does not stops all files with STORAGE errors when a build of
 * that name comes. Reads only; never throws for what it finds.
 */
export async function checkMadeDirectories(
  options: Pick<ConstructorParameters<typeof TreeReader>[0], 'step'> & { readonly stagingTopdir: string },
): Promise<StorageCheck> {
  const name = 'staging directories'
  const staging = new TreeReader({ side: 'staging', step: options.step })
  const closed: string[] = []
  let looked = 0
  const isOpen = async (path: string): Promise<boolean> => {
    try {
      await staging.access(path, constants.W_OK | constants.X_OK)
    } catch (error) {
      // Taken away meanwhile, or a link to nowhere.
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
      closed.push(path)
    }
    looked += 1
    return true
  }
  const below = async (path: string, limit: number): Promise<string[]> => {
    const entries = await staging.entries(path, limit).catch(() => [])
    return entries
      .filter((entry) => entry.kind !== 'file' && !entry.name.startsWith('.'))
      .map((entry) => `${path}/${entry.name}`)
  }
  for (const path of await below(`${options.stagingTopdir}/packages`, NAMES)) {
    if (!(await isOpen(path))) continue
    for (const version of await below(path, VERSIONS)) await isOpen(version)
  }
  if (closed.length === 0)
    return ok(name, `${looked} of packages/NAME and packages/NAME/VERSION can be written`)
  const text = `${closed.length} of ${looked} in packages cannot be written, such as ${closed[0]}`
  const hint =
    "staging's hub made them for itself: give the group or an ACL to all of them, and a default ACL for those to come (README, step 4)"
  return fail(name, text, hint)
}
