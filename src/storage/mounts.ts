import { isWithin } from './prod-source.ts'

/** One line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  /** major:minor of the file system */
  readonly device: string
  /** which directory of that file system is mounted: more than `/` for a bind mount */
  readonly root: string
  readonly mountPoint: string
  /** true when the mount, or the file system behind it, takes no writes */
  readonly readOnly: boolean
  /** true when the file system itself takes none, through whatever mount of this host */
  readonly allReadOnly: boolean
  readonly type: string
}

/** Where a path lies, whatever it is called: a directory of a file system. */
export interface Position {
  readonly device: string
  readonly path: string
}

/** Reads the text of /proc/self/mountinfo; lines of another form are left out. */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const [, , device, root, mountPoint, options] = left.split(' ')
    const [type, , superOptions] = right.split(' ')
    if (device === undefined || root === undefined || mountPoint === undefined || type === undefined)
      return []
    const allReadOnly = isReadOnly(superOptions)
    const readOnly = allReadOnly || isReadOnly(options)
    return [{ device, root: unescaped(root), mountPoint: unescaped(mountPoint), readOnly, allReadOnly, type }]
  })
}

function isReadOnly(options: string | undefined): boolean {
  return options?.split(',').includes('ro') === true
}

/** Where the root itself is, nothing can be concluded from a read-only mount: a service's namespace (ProtectSystem=strict) has only such. */
export function isSealed(mounts: readonly Mount[]): boolean {
  return mountOf(mounts, '/')?.readOnly === true
}

/** The mount that a real path is seen through: the deepest mount point, and of equal ones the latest. */
export function mountOf(mounts: readonly Mount[], realPath: string): Mount | null {
  let best: Mount | null = null
  for (const mount of mounts) {
    if (!isWithin(realPath, mount.mountPoint)) continue
    if (best === null || mount.mountPoint.length >= best.mountPoint.length) best = mount
  }
  return best
}

/** The mounts below a real path: other file systems that are seen within the tree. */
export function mountsBelow(mounts: readonly Mount[], realPath: string): Mount[] {
  return mounts.filter((mount) => mount.mountPoint !== realPath && isWithin(mount.mountPoint, realPath))
}

export function positionOf(mounts: readonly Mount[], realPath: string): Position | null {
  const mount = mountOf(mounts, realPath)
  if (mount === null) return null
  const below = mount.mountPoint === '/' ? realPath : realPath.slice(mount.mountPoint.length)
  const path = `${mount.root === '/' ? '' : mount.root}${below === '/' ? '' : below}`
  return { device: mount.device, path: path === '' ? '/' : path }
}

/** True when one is the other, or lies within it. */
export function overlap(a: Position, b: Position): boolean {
  return a.device === b.device && (isWithin(a.path, b.path) || isWithin(b.path, a.path))
}

/** Space, tab, newline and backslash come as octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
