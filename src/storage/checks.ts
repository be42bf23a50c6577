import { constants } from 'node:fs'
import { checkedName, DEFAULT_VOLUME } from '../model/paths.ts'
import { type CheckContext, fail, ok, type StorageCheck, type StorageCheckOptions, warn } from './check.ts'
import { FileError, isErrno } from './errno.ts'
import { TreeReader } from './files.ts'
import { checkMount, checkTreesApart } from './mount-checks.ts'
import { type Mount, parseMountinfo } from './mounts.ts'

const MIN_FREE_BYTES = 1024 ** 3
const MIN_FREE_INODES = 10_000

/** Every precondition of the trees, one line each, in a fixed order. Reads only; never throws for what it finds. */
export async function checkStorage(options: StorageCheckOptions): Promise<StorageCheck[]> {
  const prod = new TreeReader({ side: 'prod', step: options.step })
  const staging = new TreeReader({ side: 'staging', step: options.step })
  const mountsIn = (path: string): Promise<Mount[] | null> =>
    staging
      .read(path)
      .then(parseMountinfo)
      .catch(() => null)
  const mounts = await mountsIn(options.mountinfoPath ?? '/proc/self/mountinfo')
  const hostMounts = await mountsIn(options.hostMountinfoPath ?? '/proc/1/mountinfo')
  const context: CheckContext = { ...options, prod, staging, mounts, hostMounts }
  const checks: StorageCheck[] = []
  for (const check of [
    checkProdTree,
    checkMount,
    checkStagingTree,
    checkTreesApart,
    checkLinkTarget,
    checkOwner,
  ]) {
    checks.push(await guarded(() => check(context)))
  }
  for (const volume of options.stagingVolumes) checks.push(await guarded(() => checkVolume(context, volume)))
  checks.push(await guarded(() => checkSpace(context)))
  return checks
}

/** Volumes of staging that real directories stand on. */
export async function checkVolumes(options: {
  readonly stagingTopdir: string
  readonly volumes: readonly string[]
  readonly step: StorageCheckOptions['step']
}): Promise<StorageCheck[]> {
  const { stagingTopdir, step } = options
  const staging = new TreeReader({ side: 'staging', step })
  const checks: StorageCheck[] = []
  for (const volume of options.volumes)
    checks.push(await guarded(() => checkVolume({ staging, stagingTopdir }, volume)))
  return checks
}

async function guarded(check: () => Promise<StorageCheck>): Promise<StorageCheck> {
  try {
    return await check()
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    return fail(`${error.side}.topdir`, error.message, 'see whether the file system is mounted and healthy')
  }
}

async function checkProdTree({ prod, prodTopdir }: CheckContext): Promise<StorageCheck> {
  const name = 'prod.topdir'
  if (prodTopdir === null) return warn(name, 'not set', 'placements that link into prod need it')
  const path = `${prodTopdir}/packages`
  try {
    if ((await prod.list(path, 1)).length > 0) return ok(name, `${prodTopdir} is a Koji tree`)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
  }
  return fail(name, `${path} is missing or empty`, 'mount prod there, read-only')
}

/** What we write lies in `packages` and `vol`; the topdir itself needs to be writable only where it has no `vol` yet. */
async function checkStagingTree({ staging, stagingTopdir }: CheckContext): Promise<StorageCheck> {
  const name = 'staging.topdir'
  const writes = [`${stagingTopdir}/packages`]
  try {
    for (const path of [writes[0] as string, stagingTopdir]) {
      const found = await staging.lstat(path === stagingTopdir ? `${path}/.` : path)
      if (!found.isDirectory())
        return fail(name, `${path} is no real directory`, 'links are placed by real directories')
    }
    writes.push((await hasVolumes(staging, stagingTopdir)) ? `${stagingTopdir}/vol` : stagingTopdir)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    return fail(name, `${writes[0]} is missing`, "mount staging's tree there")
  }
  for (const path of writes) {
    try {
      await staging.access(path, constants.W_OK | constants.X_OK)
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EROFS', 'EPERM')) throw error
      return fail(name, `${path} is not writable`, "run as the user of staging's hub, or see README, step 4")
    }
  }
  return ok(name, `${stagingTopdir} is a writable Koji tree`)
}

async function hasVolumes(staging: TreeReader, topdir: string): Promise<boolean> {
  try {
    await staging.lstat(`${topdir}/vol`)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

async function checkLinkTarget(context: CheckContext): Promise<StorageCheck> {
  const { linkTarget, prodTopdir, prod, staging, stagingTopdir } = context
  const name = 'prod.link_target'
  if (linkTarget === null)
    return warn(name, 'not set', 'placements that link into prod need it; see prod.topdir')
  if (!linkTarget.startsWith('/') || linkTarget.split('/').some((part) => part === '..' || part === '.')) {
    return fail(
      name,
      `${linkTarget} is no absolute path`,
      "give the path at which staging's hosts see prod's tree",
    )
  }
  const seen = await prod.stat(`${linkTarget}/.`).catch(() => null)
  if (seen === null)
    return warn(name, `${linkTarget} cannot be seen from here`, "see that staging's hub and web server can")
  const top = await staging.stat(stagingTopdir)
  if (seen.dev === top.dev && seen.ino === top.ino)
    return fail(name, `${linkTarget} is staging's own tree`, 'links would lead in circles')
  const source = prodTopdir === null ? null : await prod.stat(prodTopdir)
  if (source !== null && (source.dev !== seen.dev || source.ino !== seen.ino)) {
    return warn(
      name,
      `${linkTarget} is another directory here than ${prodTopdir}`,
      "see that on staging's hosts it is prod's tree",
    )
  }
  return ok(name, `${linkTarget} is prod's tree here too`)
}

/** CAP_CHOWN is bit 0 of CapEff (capabilities(7)). */
async function checkOwner({ prod, staging, prodTopdir, linkOwner }: CheckContext): Promise<StorageCheck> {
  const name = 'link owner'
  if (prodTopdir === null || linkOwner === 'any') return ok(name, 'links belong to whoever runs this')
  const { uid } = await prod.stat(`${prodTopdir}/packages`)
  const own = process.geteuid?.() ?? 0
  if (Number(uid) === own) return ok(name, `prod's packages belong to user id ${own}, as we do`)
  const status = await staging.read('/proc/self/status').catch(() => '')
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  if (capabilities !== undefined ? (BigInt(`0x${capabilities}`) & 1n) === 1n : own === 0)
    return ok(name, `links are given to user id ${uid}`)
  const hint = `run as user id ${uid} or with CAP_CHOWN: httpd (SymLinksIfOwnerMatch) refuses links of other owners`
  return fail(name, `prod's packages belong to user id ${uid}, we are ${own}`, hint)
}

async function checkVolume(
  { staging, stagingTopdir }: Pick<CheckContext, 'staging' | 'stagingTopdir'>,
  volume: string,
): Promise<StorageCheck> {
  const name = `volume ${volume}`
  if (volume === DEFAULT_VOLUME)
    return fail(name, 'is the default volume', 'map it to another one in prod.volumes')
  try {
    checkedName('volume', volume)
  } catch (error) {
    return fail(name, error instanceof Error ? error.message : '', 'give it another name in prod.volumes')
  }
  const top = await staging.realpath(stagingTopdir)
  const path = `${stagingTopdir}/vol/${volume}`
  const found = await staging.lstat(path).catch(missing)
  if (found === null) return ok(name, `${path} will be made with the first build`)
  if (!found.isDirectory() || (await staging.realpath(path)) !== `${top}/vol/${volume}`) {
    const hint =
      "take the link away: through it staging's hub would delete builds of prod; each build gets its own link"
    return fail(name, `${path} is no real directory`, hint)
  }
  const toplink = `${path}/toplink`
  const link = await staging.lstat(toplink).catch(missing)
  if (link === null) return ok(name, `${toplink} will be made with the first build`)
  const hint = 'it must be a link to the top of the tree; take it away, then it is made anew'
  if (!link.isSymbolicLink()) return fail(name, `${toplink} is no link`, hint)
  const target = await staging.realpath(toplink).catch(missing)
  if (target === null) return warn(name, `${toplink} leads nowhere, seen from here`, hint)
  if (target !== top) return fail(name, `${toplink} leads to ${target}`, hint)
  return ok(name, `${path} has its toplink`)
}

async function checkSpace({ staging, stagingTopdir }: CheckContext): Promise<StorageCheck> {
  const name = 'free space'
  const { bavail, bsize, files, ffree } = await staging.statfs(stagingTopdir)
  const freeBytes = bavail * bsize
  const text = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB and ${files === 0 ? 'any number of' : ffree} inodes`
  if (freeBytes < MIN_FREE_BYTES || (files > 0 && ffree < MIN_FREE_INODES))
    return warn(name, text, 'each linked build takes two inodes and up to four directories')
  return ok(name, text)
}

function missing(error: unknown): null {
  if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null
  throw error
}
