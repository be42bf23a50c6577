import { lstat, readdir, readlink, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { E2eWorld } from '../e2e/world.ts'

interface Placed {
  readonly id: number
  readonly name: string
  readonly version: string
  readonly release: string
  readonly volume: string
}

/** COMPLETE builds of staging that came from prod. */
function placed(world: E2eWorld): Promise<Placed[]> {
  return world.sql<Placed>(
    `select b.id, p.name, b.version, b.release, v.name as volume from build b join package p on p.id = b.pkg_id
       join volume v on v.id = b.volume_id
       join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id where b.state = 1 order by b.id`,
  )
}

const below = ({ name, version, release }: Placed): string => join('packages', name, version, release)

/** No row without its file, whenever somebody looks. */
export async function linksStand(world: E2eWorld): Promise<string[]> {
  const missing: string[] = []
  for (const build of await placed(world)) {
    const path = join(world.root, 'staging', 'vol', build.volume, below(build))
    if ((await lstat(path).catch(() => null)) === null)
      missing.push(`row of build ${build.id}, but no ${path.slice(world.root.length)}`)
  }
  return missing
}

/** Each build's directory is where Koji looks for it and leads to prod's; no other link into prod stands. */
export async function filesOff(world: E2eWorld): Promise<string[]> {
  const off: string[] = []
  const right = new Set<string>()
  const prodVolumes = new Map([
    ['prod', '.'],
    ['prod-archive', 'vol/archive'],
  ])
  for (const build of await placed(world)) {
    const at = join(world.root, 'staging', 'vol', build.volume, below(build))
    const usual = join(world.root, 'staging', below(build))
    const wanted = join(world.root, 'prod', prodVolumes.get(build.volume) ?? `?${build.volume}`, below(build))
    for (const path of [at, usual]) {
      right.add(path)
      const leads = await realpath(path).catch(() => 'nowhere')
      if (leads !== wanted || !(await stat(leads)).isDirectory())
        off.push(`${path.slice(world.root.length)} leads to ${leads}`)
    }
  }
  for (const [path, text] of await links(join(world.root, 'staging'))) {
    // A promoted draft's old name leads to the new one, as promoteBuild leaves it.
    if (!right.has(path) && !path.endsWith('/toplink') && !/,draft_\d+$/.test(path))
      off.push(`orphan ${path.slice(world.root.length)} -> ${text}`)
  }
  return off
}

async function links(directory: string): Promise<[path: string, text: string][]> {
  const found: [string, string][] = []
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isSymbolicLink()) found.push([path, await readlink(path)])
    else if (entry.isDirectory()) found.push(...(await links(path)))
  }
  return found
}
