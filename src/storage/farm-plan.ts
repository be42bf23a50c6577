import type { BigIntStats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { AgainError, KeyError } from '../errors.ts'
import { isFileName } from '../model/paths.ts'
import type { BytesReader } from './copy-calls.ts'
import { isTemporaryName } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import type { At } from './files.ts'
import { isWithin, type Source } from './prod-source.ts'

/** What stands under one path of a farm's directory. */
export type FarmEntry =
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly text: string; readonly uid: bigint }
  /** bytes of its own, as this file of prod has them */
  | { readonly kind: 'file'; readonly stat: BigIntStats }

/** By path below the build's directory (`x86_64/a.rpm`), each after its directory. */
export type FarmPlan = ReadonlyMap<string, FarmEntry>

/** Of a build; the largest of Fedora's have some ten thousand. */
export const MAX_ENTRIES = 200_000
export const MAX_DEPTH = 40

export interface FarmSource {
  /** prod's directory of the build, as we see it, by its real path */
  readonly path: string
  readonly source: Source
  /** what a link to that directory says */
  readonly text: string
  /** real paths that hold whatever belongs to prod's tree */
  readonly inside: readonly string[]
}

/**
 * What a farm makes of a build's directory in prod.
 *
 * | in prod                                   | in the farm                                              |
 * | ----------------------------------------- | -------------------------------------------------------- |
 * | directory                                 | directory                                                |
 * | `data/logs`                               | one link: `getBuildLogs` passes over links within it      |
 * | `data/sigcache/…/*.sig`, `data/signed/…/*.rpm` | file: staging's hub removes, renames and replaces these |
 * | any other file                            | link                                                     |
 * | link to a file within prod's tree         | link                                                     |
 * | other links, FIFOs, devices, names that no path of Koji has | nothing                                |
 *
 * Read through open directories, so that one that becomes a link meanwhile is not followed. Throws KeyError STORAGE_BUILD_LARGE,
 * AgainError STORAGE_RACE.
 */
export async function planFarm(prod: BytesReader, from: FarmSource): Promise<FarmPlan> {
  const plan = new Map<string, FarmEntry>()
  const handle = await prod.openDirectory(from.path)
  try {
    const { dev, ino } = await prod.fstat(handle, from.path)
    if (dev !== from.source.device || ino !== from.source.inode) throw changed(from.path)
    await walk(prod, from, handle, [], plan)
  } finally {
    await handle.close()
  }
  return plan
}

async function walk(
  prod: BytesReader,
  from: FarmSource,
  handle: FileHandle,
  names: readonly string[],
  plan: Map<string, FarmEntry>,
): Promise<void> {
  const shown = [from.path, ...names].join('/')
  const at = (name: string): At => ({ path: `/proc/self/fd/${handle.fd}/${name}`, shown: `${shown}/${name}` })
  if (names.length > MAX_DEPTH) throw tooLarge(from.path, `more than ${MAX_DEPTH} directories deep`)
  for (const name of (await prod.list(at('.'), MAX_ENTRIES + 1)).sort()) {
    if (!isFileName(name) || isTemporaryName(name)) continue
    const path = [...names, name].join('/')
    const found = await orNull(prod.lstat(at(name)))
    if (found === null) continue
    if (plan.size >= MAX_ENTRIES) throw tooLarge(from.path, `more than ${MAX_ENTRIES} entries`)
    const link = (uid: bigint): void =>
      void plan.set(path, { kind: 'link', text: `${from.text}/${path}`, uid })
    if (found.isDirectory() && path !== LOGS) {
      plan.set(path, { kind: 'directory' })
      await inChild(prod, at(name), (child) => walk(prod, from, child, [...names, name], plan))
    } else if (found.isDirectory()) link(found.uid)
    else if (isOfSignature(path)) {
      if (found.isFile() && isWhole(path)) plan.set(path, { kind: 'file', stat: found })
    } else if (found.isFile()) link(found.uid)
    else if (found.isSymbolicLink()) {
      const target = await targetOf(prod, from, at(name))
      if (target !== null && target.isDirectory() === (path === LOGS)) link(found.uid)
    }
  }
}

const LOGS = 'data/logs'

/** Cached headers and signed copies: what a hub changes of a build that is complete. */
export function isOfSignature(path: string): boolean {
  return path.startsWith('data/sigcache/') || path.startsWith('data/signed/')
}

/** A hub writes signed copies under other names first (koji/__init__.py splice_rpm_sighdr); deleted headers end in `.save`. */
function isWhole(path: string): boolean {
  return path.startsWith('data/sigcache/') ? path.endsWith('.sig') : path.endsWith('.rpm')
}

/** What a link leads to, where that is a file or a directory of prod's tree. */
async function targetOf(prod: BytesReader, from: FarmSource, at: At): Promise<BigIntStats | null> {
  try {
    const real = await prod.realpath(at)
    if (!from.inside.some((directory) => isWithin(real, directory))) return null
    const target = await prod.stat(real)
    return target.isFile() || target.isDirectory() ? target : null
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null
    throw error
  }
}

async function inChild(prod: BytesReader, at: At, work: (child: FileHandle) => Promise<void>): Promise<void> {
  let child: FileHandle
  try {
    child = await prod.openDirectory(at)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw changed(at.shown)
    throw error
  }
  try {
    await work(child)
  } finally {
    await child.close()
  }
}

function changed(path: string): AgainError {
  return new AgainError('STORAGE_RACE', `prod's directory ${path} changed while it was read`, {
    detail: { path },
  })
}

function tooLarge(path: string, why: string): KeyError {
  return new KeyError('STORAGE_BUILD_LARGE', `${path} holds ${why}: no build is like that`, {
    detail: { path },
  })
}
