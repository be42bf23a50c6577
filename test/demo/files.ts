import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ask } from '../sim/ask.ts'
import type { Struct } from '../sim/wire-value.ts'
import { BuildTree } from '../sim/world/tree.ts'
import type { Koji } from './stage.ts'

/** Outcome; no differences is equality. */
export interface FilesCompared {
  readonly files: number
  readonly differences: readonly string[]
}

/**
 * Compares a build's files where each side's hub says they are, byte by byte, following links. A build that prod deleted must
 * have none.
 */
export async function compareFiles(prod: Koji, staging: Koji, nvr: string): Promise<FilesCompared> {
  const [wanted, found] = await Promise.all([filesOf(prod, nvr), filesOf(staging, nvr)])
  const differences: string[] = []
  for (const name of new Set([...wanted.keys(), ...found.keys()])) {
    const [a, b] = [wanted.get(name), found.get(name)]
    if (a === undefined || b === undefined) {
      differences.push(`${name}: only in ${a === undefined ? 'staging' : 'prod'}`)
    } else if (!(await readFile(a)).equals(await readFile(b))) differences.push(`${name}: other bytes`)
  }
  return { files: wanted.size, differences }
}

/** Path of each file by its name below the build's directory. */
async function filesOf(koji: Koji, nvr: string): Promise<Map<string, string>> {
  const build = (await ask(koji.hub.url, 'getBuild', nvr)) as Struct | null
  const files = new Map<string, string>()
  if (build === null) return files
  const place = {
    name: String(build.package_name),
    version: String(build.version),
    release: String(build.release),
    volume: String(build.volume_name),
  }
  const tree = new BuildTree(koji.topdir)
  const directory = tree.buildDir(place)
  await walk(directory, '', files)
  // Where everything that knows no volumes looks for it.
  const usual = tree.buildDir({ ...place, volume: 'DEFAULT' })
  if (files.size > 0 && (await realpath(usual)) !== (await realpath(directory)))
    throw new Error(`${usual} does not lead to ${directory}`)
  return files
}

async function walk(directory: string, below: string, files: Map<string, string>): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names) {
    const path = join(directory, name)
    if ((await stat(path)).isDirectory()) await walk(path, join(below, name), files)
    else files.set(join(below, name), path)
  }
}
