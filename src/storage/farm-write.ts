import { AgainError } from '../errors.ts'
import type { BytesReader, BytesWriter } from './copy-calls.ts'
import { type Directory, hiddenName } from './directory.ts'
import { orNull } from './errno.ts'
import type { FarmDiff } from './farm-diff.ts'
import { makeLink, putLink, type Standing, takeBackLink } from './links.ts'
import { copyReal } from './real-file.ts'
import { removeTree } from './tree-removal.ts'
import type { Work } from './work.ts'

export interface FarmWriting {
  readonly prod: BytesReader
  readonly staging: BytesWriter
  /** prod's directory of the build, as we see it */
  readonly from: string
  /** links belong to whoever we are */
  readonly anyOwner: boolean
  readonly fsync: boolean
}

type Lacking = FarmDiff['lacking']

/** A build's directory, all of it, beside its place under a hidden name, then there by rename. */
export async function placeWhole(
  writing: FarmWriting,
  work: Work,
  version: Directory,
  release: string,
  lacking: Lacking,
): Promise<void> {
  const { staging, fsync } = writing
  const hidden = hiddenName(release, 'farm')
  await removeTree(staging, version, hidden)
  work.onFailure(() => removeTree(staging, version, hidden))
  const top = await version.makeHidden(hidden)
  try {
    await fill(writing, top, '', childrenOf(lacking))
  } finally {
    await top.close()
  }
  await staging.rename(version.at(hidden), version.at(release))
  work.onFailure(() => staging.rename(version.at(release), version.at(hidden)))
  if (fsync) await version.sync()
}

type Children = ReadonlyMap<string, Lacking>

/** By the path of the directory that they are in. */
function childrenOf(lacking: Lacking): Children {
  const children = new Map<string, Lacking[number][]>()
  for (const one of lacking) {
    const parent = one.path.slice(0, Math.max(0, one.path.lastIndexOf('/')))
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [one])
    else siblings.push(one)
  }
  return children
}

async function fill(
  writing: FarmWriting,
  directory: Directory,
  path: string,
  children: Children,
): Promise<void> {
  const { prod, staging, fsync } = writing
  let born: bigint | null = null
  for (const { path: inner, entry } of children.get(path) ?? []) {
    const name = inner.slice(path === '' ? 0 : path.length + 1)
    if (entry.kind === 'link') {
      const uid = writing.anyOwner ? null : entry.uid
      born = await makeLink(staging, directory, name, { text: entry.text, uid }, born)
    } else if (entry.kind === 'file') {
      const source = { path: `${writing.from}/${inner}`, like: entry.stat }
      await copyReal(prod, source, staging, { directory, name, fsync })
    } else {
      const child = await directory.makeHidden(name)
      try {
        await fill(writing, child, inner, children)
      } finally {
        await child.close()
      }
    }
  }
  if (fsync) await directory.sync()
}

/** What lacks in a directory that stands, each by rename. `names` lead from the tree's top to it. */
export async function placeMore(
  writing: FarmWriting,
  work: Work,
  names: readonly string[],
  lacking: Lacking,
): Promise<void> {
  const { prod, staging, fsync } = writing
  for (const { path, entry, before } of lacking) {
    const parts = path.split('/')
    if (entry.kind === 'directory') {
      await work.directory([...names, ...parts])
      continue
    }
    const name = parts.pop() as string
    const directory = await work.directory([...names, ...parts])
    if (entry.kind === 'link') {
      const was: Standing = before?.kind === 'link' ? before : { kind: 'nothing' }
      const uid = writing.anyOwner ? null : entry.uid
      if (!(await putLink(staging, directory, name, { text: entry.text, uid }, was)))
        throw raced(directory.at(name).shown)
      work.onFailure(() => takeBackLink(staging, directory, name, entry.text, was))
    } else {
      const hidden = hiddenName(name, 'file')
      await orNull(staging.unlink(directory.at(hidden)))
      work.onFailure(() => orNull(staging.unlink(directory.at(hidden))))
      const source = { path: `${writing.from}/${path}`, like: entry.stat }
      await copyReal(prod, source, staging, { directory, name: hidden, fsync })
      await staging.rename(directory.at(hidden), directory.at(name))
      if (before === null) work.onFailure(() => staging.unlink(directory.at(name)))
    }
    if (fsync) await directory.sync()
  }
}

export function raced(path: string): AgainError {
  return new AgainError('STORAGE_RACE', `somebody else works at ${path}`, { detail: { path } })
}
