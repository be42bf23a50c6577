import type { BigIntStats } from 'node:fs'
import type { BuildFile } from '../model/build-files.ts'
import { signedCopyPath } from '../model/build-files.ts'
import type { BuildPlace } from '../model/paths.ts'
import type { FarmEntry, FarmPlan } from './farm-plan.ts'
import type { FarmStanding, FarmTexts, FarmTree } from './farm-standing.ts'

/** What is to be done with a farm's directory that stands. */
export interface FarmDiff {
  /** in the plan's order; `before`: a link of ours or a signature's file that it replaces */
  readonly lacking: readonly {
    readonly path: string
    readonly entry: FarmEntry
    readonly before: FarmStanding | null
  }[]
  /** names that are needed, and hold something of staging's */
  readonly clashes: readonly string[]
  /** links of ours, and signatures by prod's keys, that the build no longer has */
  readonly stale: readonly string[]
}

export interface DiffOptions {
  readonly place: BuildPlace
  readonly texts: FarmTexts
  /** any owner will do for a link */
  readonly anyOwner: boolean
  readonly files: readonly BuildFile[]
  readonly sigkeys: readonly string[]
  /** True when prod's file and staging's, of one size, begin with the same bytes. */
  readonly sameBytes: (path: string, prod: BigIntStats, staging: BigIntStats) => Promise<boolean>
}

export async function diffFarm(plan: FarmPlan, tree: FarmTree, options: DiffOptions): Promise<FarmDiff> {
  const { place, texts } = options
  const lacking: FarmDiff['lacking'][number][] = []
  const clashes: string[] = []
  const unnamed = unnamedSignatures(options)
  const needed = directoriesOf([...plan].filter(([path, { kind }]) => kind !== 'directory' && !unnamed(path)))
  for (const [path, entry] of plan) {
    const now = tree.entries.get(path) ?? null
    if (now === null) {
      if (entry.kind === 'directory' ? needed.has(path) : !unnamed(path))
        lacking.push({ path, entry, before: null })
    } else if (entry.kind === 'link') {
      if (now.kind !== 'link' || !texts.isOurs(place, now.text)) clashes.push(path)
      else if (now.text !== entry.text || !(options.anyOwner || now.uid === entry.uid))
        lacking.push({ path, entry, before: now })
    } else if (entry.kind === 'file') {
      if (now.kind !== 'file') clashes.push(path)
      else if (!(await isSame(path, entry.stat, now.stat, options)))
        lacking.push({ path, entry, before: now })
    } else if (now.kind !== 'directory') clashes.push(path)
  }
  const stale: string[] = []
  for (const [path, now] of tree.entries) {
    if (now.kind === 'link' && !plan.has(path) && texts.isOurs(place, now.text)) stale.push(path)
    else if (now.kind === 'file' && unnamed(path)) stale.push(path)
  }
  return { lacking, clashes, stale }
}

/** Those that something is in: what prod has emptied need not be made. */
function directoriesOf(entries: readonly (readonly [string, FarmEntry])[]): ReadonlySet<string> {
  const found = new Set<string>()
  for (const [path] of entries) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const directory = path.slice(0, end)
      if (found.has(directory)) break
      found.add(directory)
    }
  }
  return found
}

/** True when nothing is to be done, nor a crash's leftovers lie there. */
export function isEqual(diff: FarmDiff, tree: FarmTree): boolean {
  return diff.lacking.length + diff.clashes.length + diff.stale.length + tree.leftovers.length === 0
}

async function isSame(
  path: string,
  prod: BigIntStats,
  staging: BigIntStats,
  { sameBytes }: DiffOptions,
): Promise<boolean> {
  if (prod.size !== staging.size) return false
  // We give a file the time of prod's, by seconds; the hub that writes it anew gives it another one.
  return prod.mtimeNs / 1_000_000_000n === staging.mtimeNs / 1_000_000_000n || sameBytes(path, prod, staging)
}

/**
 * True for a header or a copy by a key of prod's that the rows do not name: deleteRPMSig took it back. Keys that prod never signed with
 * are staging's own.
 */
function unnamedSignatures({ files, sigkeys }: DiffOptions): (path: string) => boolean {
  const named = new Set<string>()
  for (const file of files) {
    if (file.kind !== 'sigcache') continue
    named.add(file.path.join('/'))
    const copy = signedCopyPath(file)
    if (copy !== null) named.add(copy.join('/'))
  }
  const prods = new Set(sigkeys)
  return (path) => {
    const [data, kind, key] = path.split('/')
    if (data !== 'data' || (kind !== 'sigcache' && kind !== 'signed')) return false
    if (!path.endsWith('.sig') && !path.endsWith('.rpm')) return false
    return key !== undefined && prods.has(key) && !named.has(path)
  }
}
