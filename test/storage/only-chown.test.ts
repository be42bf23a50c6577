import { execFile } from 'node:child_process'
import { chmodSync, chownSync, cpSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { putBuild } from './rpms.ts'
import { aBuild, makeTrees, namesOf, type Trees } from './trees.ts'

const exec = promisify(execFile)
const SCRIPT = join(import.meta.dirname, 'only-chown.ts')

/** Only root makes trees of other users; whoever is not root places in one of its own. */
const isRoot = process.geteuid?.() === 0
const hub = isRoot
  ? { uid: 12_345, gid: 23_456 }
  : { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
/** As the shipped unit has it: no right over files of others but to give its own away; the hub's group, where it is a member. */
const rights = (groups: readonly number[]): string[] =>
  isRoot
    ? ['setpriv', '--bounding-set=-all,+chown', '--inh-caps=-all', '--regid=34567', `--groups=${groups}`]
    : ['env']

let trees: Trees
beforeEach(() => {
  trees = makeTrees()
  const build = aBuild()
  const files = putBuild(trees.addBuild(build)).files
  for (const name of ['volume', 'farm', 'copy', 'many-1', 'many-2'].map((of) =>
    of.startsWith('many') ? of : `bash-${of}`,
  ))
    cpSync(join(trees.prod, 'packages/bash'), join(trees.prod, 'packages', name), { recursive: true })
  writeFileSync(join(trees.home, 'build.json'), JSON.stringify({ ...build, files }))
})
afterEach(() => trees.destroy())

function makeTree(name: string, uid: number, mode: number): void {
  const tree = join(trees.home, name)
  for (const path of [tree, join(tree, 'packages'), join(tree, 'vol')]) {
    mkdirSync(path, { recursive: true })
    chownSync(path, uid, hub.gid)
    chmodSync(path, mode)
  }
}

async function place(groups: readonly number[], ...more: string[]): Promise<Record<string, string>> {
  const [command = '', ...argv] = [...rights(groups), process.execPath, '--import', 'tsx', SCRIPT]
  const { stdout } = await exec(command, [...argv, trees.home, ...more])
  return JSON.parse(stdout) as Record<string, string>
}

/** What in a tree is not as its top directory. */
function unlike(name: string, uid: number, mode: number): string[] {
  const tree = join(trees.home, name)
  return namesOf(tree).flatMap((path) => {
    const found = lstatSync(join(tree, path))
    if (found.isSymbolicLink() || path.endsWith('.koji-staging-sync.json')) return []
    const is = `${found.uid}:${found.gid} ${(found.mode & 0o7777).toString(8)}`
    const shall = `${uid}:${hub.gid} ${(found.isDirectory() ? mode : 0o644).toString(8)}`
    return is === shall ? [] : [`${path} ${is}, not ${shall}`]
  })
}

it("whoever may give files away, and nothing else, places in a tree of the hub's user as in its own", async () => {
  makeTree('staging-0775', hub.uid, 0o775)
  makeTree('staging-2775', hub.uid, 0o2775)
  const said = await place([hub.gid])
  expect(Object.keys(said)).toHaveLength(8 + 4)
  expect(Object.entries(said).filter(([, text]) => text !== 'placed')).toEqual([])
  expect(unlike('staging-0775', hub.uid, 0o775)).toEqual([])
  expect(unlike('staging-2775', hub.uid, 0o2775)).toEqual([])
})

it("keeps the setgid bit of a group that it is not in, and clones of read-only files have the files' own mode", async () => {
  const own = process.geteuid?.() ?? 0
  makeTree('staging-ours', own, 0o2775)
  const archive = join(trees.prod, 'packages/bash-copy/5.2/1.fc43/x86_64')
  for (const name of namesOf(archive)) chmodSync(join(archive, name), 0o444)
  const said = await place([34_567], 'clones')
  expect(said['staging-ours copy']).toBe('placed')
  expect(unlike('staging-ours', own, 0o2775)).toEqual([])
})
