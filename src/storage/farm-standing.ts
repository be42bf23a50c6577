import type { BigIntStats } from 'node:fs'
import type { BuildPlace } from '../model/paths.ts'
import { type Directory, isTemporaryName } from './directory.ts'
import { orNull } from './errno.ts'
import { isOfSignature, MAX_DEPTH, MAX_ENTRIES } from './farm-plan.ts'
import type { TreeReader } from './files.ts'

/** What stands under a path of a build's directory in staging. */
export type FarmStanding =
  | { readonly kind: 'directory' }
  | { readonly kind: 'link'; readonly text: string; readonly uid: bigint }
  | { readonly kind: 'file'; readonly stat: BigIntStats }
  | { readonly kind: 'other' }

/** By path, each after its directory. Leftovers of a crash are told apart. */
export interface FarmTree {
  readonly entries: ReadonlyMap<string, FarmStanding>
  readonly leftovers: readonly string[]
  /** it is larger than any build: the rest was not read */
  readonly cut: boolean
}

/** Everything below an open directory of staging's tree; links are not followed. */
export async function readFarm(files: TreeReader, top: Directory): Promise<FarmTree> {
  const entries = new Map<string, FarmStanding>()
  const leftovers: string[] = []
  let cut = false
  const walk = async (directory: Directory, prefix: string, depth: number): Promise<void> => {
    for (const name of (await files.list(directory.at('.'), MAX_ENTRIES)).sort()) {
      if (entries.size >= MAX_ENTRIES || depth > MAX_DEPTH) {
        cut = true
        return
      }
      const path = `${prefix}${name}`
      if (isTemporaryName(name)) {
        leftovers.push(path)
        continue
      }
      const at = directory.at(name)
      const found = await orNull(files.lstat(at))
      if (found?.isDirectory() === true) {
        entries.set(path, { kind: 'directory' })
        const child = await directory.child(name)
        if (child === null) continue
        try {
          await walk(child, `${path}/`, depth + 1)
        } finally {
          await child.close()
        }
      } else if (found?.isSymbolicLink() === true) {
        const text = await orNull(files.readlink(at))
        if (text !== null) entries.set(path, { kind: 'link', text, uid: found.uid })
      } else entries.set(path, found?.isFile() === true ? { kind: 'file', stat: found } : { kind: 'other' })
    }
  }
  await walk(top, '', 0)
  return { entries, leftovers, cut }
}

/** Recognises the links of a farm: into a directory of prod's for this name and version, of any volume and release. */
export class FarmTexts {
  readonly #top: string
  constructor(linkTarget: string) {
    this.#top = `${linkTarget.replace(/\/+$/, '')}/`
  }

  /** True for a path in prod's tree, said plainly. */
  isInside(text: string): boolean {
    if (!text.startsWith(this.#top)) return false
    return !text
      .slice(this.#top.length)
      .split('/')
      .some((part) => part === '' || part === '.' || part === '..')
  }

  isOurs(place: BuildPlace, text: string): boolean {
    if (!this.isInside(text)) return false
    const parts = text.slice(this.#top.length).split('/')
    const [packages, name, version, release, inside] = parts[0] === 'vol' ? parts.slice(2) : parts
    return (
      packages === 'packages' &&
      name === place.name &&
      version === place.version &&
      release !== undefined &&
      inside !== undefined
    )
  }

  /** The path in prod's tree as we see it that a link of ours names. */
  seenFrom(prodTopdir: string, text: string): string {
    return `${prodTopdir.replace(/\/+$/, '')}/${text.slice(this.#top.length)}`
  }
}

/** What of a tree is a farm's own, and what staging brought there. */
export interface Judged {
  /** Nothing but what a farm holds, or at least something that only we make. */
  readonly isFarm: boolean
  readonly links: readonly string[]
  readonly signatures: readonly string[]
  /** What staging made there, or put in the place of a link. */
  readonly foreign: readonly string[]
}

export function judgeFarm({ entries, cut }: FarmTree, texts: FarmTexts, place: BuildPlace): Judged {
  const links: string[] = []
  const signatures: string[] = []
  const foreign: string[] = []
  for (const [path, standing] of entries) {
    if (standing.kind === 'directory') continue
    if (standing.kind === 'link' && texts.isOurs(place, standing.text)) links.push(path)
    else if (standing.kind === 'file' && isOfSignature(path)) signatures.push(path)
    else foreign.push(path)
  }
  const isFarm = !cut && (links.length > 0 || (foreign.length === 0 && signatures.length === 0))
  return { isFarm, links, signatures, foreign }
}
