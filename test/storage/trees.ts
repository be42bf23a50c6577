import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { PlacedBuild } from '../../src/storage/placement.ts'
import { scratchHome } from '../support/scratch.ts'

/** Two small Koji trees on a real disk: prod with `packages`, staging empty. */
export interface Trees {
  readonly home: string
  readonly prod: string
  readonly staging: string
  /** Makes a build's directory with a file in prod and gives back its path. */
  addBuild(build: PlacedBuild): string
  destroy(): void
}

export function makeTrees(): Trees {
  const home = realpathSync(mkdtempSync(join(scratchHome(), 'kss-storage-')))
  const prod = join(home, 'prod')
  const staging = join(home, 'staging')
  mkdirSync(join(prod, 'packages', 'other'), { recursive: true })
  mkdirSync(join(staging, 'packages'), { recursive: true })
  return {
    home,
    prod,
    staging,
    addBuild(build) {
      const dir = prodDir(prod, build)
      mkdirSync(join(dir, 'x86_64'), { recursive: true })
      writeFileSync(join(dir, 'x86_64', 'a.rpm'), `rpm of ${build.release}`)
      return dir
    },
    destroy: () => rmSync(home, { recursive: true, force: true }),
  }
}

export function prodDir(prod: string, build: PlacedBuild): string {
  const volume = build.prodVolume === 'DEFAULT' ? prod : join(prod, 'vol', build.prodVolume)
  return `${volume}/packages/${build.name}/${build.version}/${build.release}`
}

export function aBuild(changes: Partial<PlacedBuild> = {}): PlacedBuild {
  return {
    buildId: 101,
    name: 'bash',
    version: '5.2',
    release: '1.fc43',
    prodVolume: 'DEFAULT',
    stagingVolume: 'prod',
    withoutFiles: false,
    files: [],
    sigkeys: [],
    formerVolumes: [],
    ...changes,
  }
}

/** Every entry below a directory: kind, owner, mode, what is in it, and (unless told) when it changed. Links are not followed. */
export function snapshot(top: string, options: { times: boolean } = { times: true }): string[] {
  const lines: string[] = []
  const walk = (path: string): void => {
    const stat = lstatSync(path, { bigint: true })
    const time = options.times ? ` ${stat.mtimeNs} ${stat.ctimeNs}` : ''
    const head = `${path.slice(top.length)} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid}${time}`
    if (stat.isSymbolicLink()) lines.push(`${head} -> ${readlinkSync(path)}`)
    else if (stat.isFile()) lines.push(`${head} ${readFileSync(path, 'utf8')}`)
    else {
      lines.push(head)
      for (const name of readdirSync(path).sort()) walk(`${path}/${name}`)
    }
  }
  walk(top)
  return lines
}

/** Paths of the links below a directory, with their texts. */
export function linksOf(top: string): Record<string, string> {
  const names = namesOf(top).filter((name) => lstatSync(join(top, name)).isSymbolicLink())
  return Object.fromEntries(names.map((name) => [name, readlinkSync(join(top, name))]))
}

/** Paths of everything below a directory; links are not followed. */
export function namesOf(top: string): string[] {
  return readdirSync(top, { withFileTypes: true })
    .flatMap((entry) => [
      entry.name,
      ...(entry.isDirectory() ? namesOf(join(top, entry.name)).map((name) => `${entry.name}/${name}`) : []),
    ])
    .sort()
}

export function link(text: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(text, path)
}
