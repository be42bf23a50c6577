import { constants } from 'node:fs'
import { type CheckContext, fail, ok, type StorageCheck, warn } from './check.ts'
import { isErrno } from './errno.ts'
import { isSealed, type Mount, mountOf, mountsBelow, overlap, positionOf } from './mounts.ts'

/**
 * Prod's tree must be mounted read-only for everybody on this host, not only unwritable for us; so must what is mounted within it. Where
 * this process sees every mount read-only (as under the shipped unit), only the file system's own `ro` or the host's list of mounts proves that.
 */
export async function checkMount(context: CheckContext): Promise<StorageCheck> {
  const { prod, prodTopdir, mounts, allowWritableMount } = context
  const name = 'prod mount'
  if (prodTopdir === null) return ok(name, 'prod.topdir is not set')
  if (!(await hasPackages(context, prodTopdir)))
    return warn(name, `not judged: no tree of prod's is mounted at ${prodTopdir}`, 'see prod.topdir')
  const { writable, unproved } = mounts === null ? await tried(context, prodTopdir) : found()
  for (const path of mounts === null ? [] : await treeRoots(context, prodTopdir)) {
    for (const mount of seenThrough(mounts ?? [], path)) {
      const text = `${mount.mountPoint} (${mount.type}), which holds ${path}`
      const verdict = judge(mount, context)
      if (verdict === 'writable') writable.push(text)
      if (verdict === 'unproved') unproved.push(text)
    }
  }
  if (writable.length > 0) {
    const text = `mounted writable: ${unique(writable)}`
    const hint =
      'mount it with the option ro; prod.allow_writable_mount admits it (the hub needs ro all the same)'
    return allowWritableMount ? warn(name, text, hint) : fail(name, text, hint)
  }
  if (unproved.length > 0) {
    const text = `read-only for this process, which sees nothing else; not proved for this host: ${unique(unproved)}`
    return warn(name, text, "run doctor as root, outside of the unit; and look at the hosts of staging's hub")
  }
  return ok(name, `${await prod.realpath(prodTopdir)} is mounted read-only`)
}

interface Found {
  readonly writable: string[]
  /** nobody here can say */
  readonly unproved: string[]
}

function found(): Found {
  return { writable: [], unproved: [] }
}

function unique(texts: readonly string[]): string {
  return [...new Set(texts)].join('; ')
}

function judge(mount: Mount, { mounts, hostMounts }: CheckContext): 'read-only' | 'writable' | 'unproved' {
  if (!mount.readOnly) return 'writable'
  if (mount.allReadOnly || !isSealed(mounts ?? [])) return 'read-only'
  const seen = hostMounts === null ? null : mountOf(hostMounts, mount.mountPoint)
  // The host may show another thing under that name, and its namespace may be as sealed as ours (a container).
  if (hostMounts === null || seen === null || seen.device !== mount.device) return 'unproved'
  if (!seen.readOnly) return 'writable'
  return isSealed(hostMounts) ? 'unproved' : 'read-only'
}

/** An empty directory is where prod's tree would be mounted. */
async function hasPackages({ prod }: CheckContext, topdir: string): Promise<boolean> {
  try {
    return (await prod.stat(`${topdir}/packages`)).isDirectory()
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}

/** The tree, and the volumes of it that are links to other disks. */
async function treeRoots({ prod }: CheckContext, topdir: string): Promise<string[]> {
  const roots = [await prod.realpath(topdir)]
  const volumes = await prod.list(`${topdir}/vol`, 1000).catch(none)
  for (const volume of volumes) {
    const real = await prod.realpath(`${topdir}/vol/${volume}`).catch(() => null)
    if (real !== null) roots.push(real)
  }
  return roots
}

function seenThrough(mounts: readonly Mount[], path: string): Mount[] {
  const holder = mountOf(mounts, path)
  return [...(holder === null ? [] : [holder]), ...mountsBelow(mounts, path)]
}

/** Without a list of mounts: whether at least we cannot write there. */
async function tried({ prod }: CheckContext, topdir: string): Promise<Found> {
  try {
    await prod.access(topdir, constants.W_OK)
    return { writable: [topdir], unproved: [] }
  } catch (error) {
    if (isErrno(error, 'EROFS')) return { writable: [], unproved: [`${topdir} (mounts are unknown here)`] }
    return { writable: [`${topdir}, as far as can be known without /proc`], unproved: [] }
  }
}

/** Neither tree may be, hold, or lie in the other one: by path, by inode, and through bind mounts. */
export async function checkTreesApart(context: CheckContext): Promise<StorageCheck> {
  const { prod, staging, prodTopdir, stagingTopdir, mounts } = context
  const name = 'trees apart'
  if (prodTopdir === null) return ok(name, 'prod.topdir is not set')
  const [source, target] = [await prod.realpath(prodTopdir), await staging.realpath(stagingTopdir)]
  const [a, b] = [await prod.stat(source), await staging.stat(target)]
  const hint = "staging's tree and prod's must be two trees"
  if (a.dev === b.dev && a.ino === b.ino) return fail(name, `${prodTopdir} is ${stagingTopdir}`, hint)
  if (overlap({ device: '', path: source }, { device: '', path: target }))
    return fail(name, `${source} and ${target} lie within one another`, hint)
  if (mounts === null) return warn(name, 'mounts are unknown: /proc/self/mountinfo cannot be read', hint)
  const prodAt = positionOf(mounts, source)
  for (const path of [target, ...mountsBelow(mounts, target).map((mount) => mount.mountPoint)]) {
    const at = positionOf(mounts, path)
    if (prodAt !== null && at !== null && overlap(prodAt, at))
      return fail(name, `${path} shows a part of prod's tree, by a mount`, hint)
  }
  return ok(name, `${source} and ${target}`)
}

function none(error: unknown): string[] {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
  throw error
}
