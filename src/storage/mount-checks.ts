import { constants } from 'node:fs'
import { type CheckContext, fail, ok, type StorageCheck, warn } from './check.ts'
import { isErrno } from './errno.ts'
import { type Mount, mountOf, mountsBelow, overlap, positionOf } from './mounts.ts'

/** Prod's tree must be mounted read-only for everybody, not only unwritable for us; so must what is mounted within it. */
export async function checkMount(context: CheckContext): Promise<StorageCheck> {
  const { prod, prodTopdir, mounts, allowWritableMount } = context
  const name = 'prod mount'
  if (prodTopdir === null) return ok(name, 'prod.topdir is not set')
  const writable = mounts === null ? await unreadable(context, prodTopdir) : []
  for (const path of await treeRoots(context, prodTopdir)) {
    for (const mount of mounts === null ? [] : seenThrough(mounts, path)) {
      if (!mount.readOnly) writable.push(`${mount.mountPoint} (${mount.type}), which holds ${path}`)
    }
  }
  if (writable.length === 0) return ok(name, `${await prod.realpath(prodTopdir)} is mounted read-only`)
  const text = `mounted writable: ${[...new Set(writable)].join('; ')}`
  const hint =
    'mount it with the option ro; prod.allow_writable_mount admits it (the hub needs ro all the same)'
  return allowWritableMount ? warn(name, text, hint) : fail(name, text, hint)
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

/** Without a list of mounts: whether we at least cannot write there. */
async function unreadable({ prod }: CheckContext, topdir: string): Promise<string[]> {
  try {
    await prod.access(topdir, constants.W_OK)
    return [topdir]
  } catch (error) {
    if (isErrno(error, 'EROFS')) return []
    return [`${topdir}, as far as can be known without /proc`]
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
