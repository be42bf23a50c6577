import { createHash } from 'node:crypto'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { E2eWorld } from '../e2e/world.ts'

interface Placed {
  readonly id: number
  readonly prodId: number
  readonly name: string
  readonly version: string
  readonly release: string
  readonly volume: string
  readonly mode: string | null
}

/** COMPLETE builds of staging that came from prod. */
function placed(world: E2eWorld): Promise<Placed[]> {
  return world.sql<Placed>(
    `select b.id, o.prod_id::int as "prodId", p.name, b.version, b.release, v.name as volume,
            (select x.mode from staging_sync.placement x where x.prod_build_id = o.prod_id and x.state = 'placed'
              order by x.changed_at desc limit 1) as mode
       from build b join package p on p.id = b.pkg_id join volume v on v.id = b.volume_id
       join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id where b.state = 1 order by b.id`,
  )
}

type Place = Pick<Placed, 'name' | 'version' | 'release' | 'volume'>

/** Where Koji looks for a build (koji/__init__.py, PathInfo.build). */
function directory(topdir: string, { name, version, release, volume }: Place): string {
  const top = volume === 'DEFAULT' ? topdir : join(topdir, 'vol', volume)
  return join(top, 'packages', name, version, release)
}

/** No row without its file, whenever somebody looks. */
export async function linksStand(world: E2eWorld): Promise<string[]> {
  const missing: string[] = []
  for (const build of await placed(world)) {
    const path = directory(join(world.root, 'staging'), build)
    if ((await lstat(path).catch(() => null)) === null)
      missing.push(`row of build ${build.id}, but no ${path.slice(world.root.length)}`)
  }
  return missing
}

/** Each build's files are where Koji looks for them, with prod's bytes; nothing else stands in staging's tree. */
export async function filesOff(world: E2eWorld): Promise<string[]> {
  const off: string[] = []
  const [prod, staging] = [join(world.root, 'prod'), join(world.root, 'staging')]
  const builds = await placed(world)
  for (const build of builds) {
    const [row] = await world.prod.rows(
      `select p.name, b.version, b.release, v.name as volume from build b join package p on p.id = b.pkg_id
         join volume v on v.id = b.volume_id where b.id = $1`,
      [build.prodId],
    )
    const there = directory(prod, row as unknown as Place)
    const here = directory(staging, build)
    off.push(...(await wrongBytes(world, build, there, here)))
    // The hub looks on the default volume first.
    const usual = directory(staging, { ...build, volume: 'DEFAULT' })
    if ((await readdir(usual).catch(() => null)) === null && (await readdir(here).catch(() => null)) !== null)
      off.push(`${relative(world.root, usual)} leads nowhere`)
  }
  return [...off, ...(await orphans(world, builds))]
}

/** What rows name must be there as in prod; whatever else is there must be as in prod too. */
async function wrongBytes(world: E2eWorld, build: Placed, there: string, here: string): Promise<string[]> {
  const off: string[] = []
  const [inProd, inStaging] = [await digests(there), await digests(here)]
  for (const path of await named(world, build.prodId, inProd))
    if (inStaging.get(path) !== inProd.get(path))
      off.push(`${relative(world.root, here)}/${path} is ${inStaging.has(path) ? 'other bytes' : 'missing'}`)
  for (const [path, digest] of inStaging) {
    if (inProd.get(path) === digest || isOwn(path)) continue
    off.push(
      `${relative(world.root, here)}/${path} is ${inProd.has(path) ? 'not as in prod' : 'not in prod'}`,
    )
  }
  return off
}

/** Notes of placements that Koji never looks at. */
const isOwn = (path: string): boolean => path === '.koji-staging-sync.json'

/** Files of prod that rows of prod name: rpms, archives, cached headers. */
async function named(
  world: E2eWorld,
  prodId: number,
  inProd: ReadonlyMap<string, string>,
): Promise<Set<string>> {
  const rpms = await world.prod.rows(
    `select r.arch || '/' || r.name || '-' || r.version || '-' || r.release || '.' || r.arch || '.rpm' as path, s.sigkey
       from rpminfo r left join rpmsigs s on s.rpm_id = r.id where r.build_id = $1 and not r.metadata_only`,
    [prodId],
  )
  const files = new Set<string>()
  for (const { path, sigkey } of rpms) {
    files.add(String(path))
    if (sigkey !== null) files.add(join('data/sigcache', String(sigkey), `${path}.sig`))
  }
  const archives = await world.prod.rows(
    'select filename, checksum from archiveinfo where build_id = $1 and not metadata_only',
    [prodId],
  )
  for (const { filename, checksum } of archives)
    for (const [path, digest] of inProd)
      if (path.endsWith(`/${filename}`) && digest === checksum) files.add(path)
  return files
}

/** sha256 of every file below, by path; links are followed, as Koji does. */
async function digests(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const entries = await readdir(root, { withFileTypes: true, recursive: true }).catch(() => [])
  const walk = async (path: string): Promise<void> => {
    for (const name of await readdir(path).catch(() => [])) {
      const at = join(path, name)
      const bytes = await readFile(at).catch(() => null)
      if (bytes === null) await walk(at)
      else found.set(relative(root, at), createHash('sha256').update(bytes).digest('hex'))
    }
  }
  if (entries.length > 0 || (await readdir(root).catch(() => [])).length > 0) await walk(root)
  return found
}

/** Directories and links of builds that no row of staging stands for; and what a placement did not clear away. */
async function orphans(world: E2eWorld, builds: readonly Placed[]): Promise<string[]> {
  const staging = join(world.root, 'staging')
  const right = new Set<string>()
  for (const build of builds)
    for (const volume of [build.volume, 'DEFAULT']) right.add(directory(staging, { ...build, volume }))
  // Staging's people's own, and what they left.
  const local = await world.sql<Place>(
    `select p.name, b.version, b.release, 'DEFAULT' as volume from build b join package p on p.id = b.pkg_id
      where not exists (select 1 from staging_sync.owned o where o.kind = 'build' and o.staging_id = b.id)`,
  )
  for (const build of local) right.add(directory(staging, build))
  const found: string[] = []
  for (const path of await buildDirectories(staging)) {
    // A promoted draft's old name leads to the new one, as promoteBuild leaves it.
    const isDraft = /,draft_\d+$/.test(path) && (await lstat(path)).isSymbolicLink()
    if (!right.has(path) && !isDraft) found.push(`orphan ${relative(world.root, path)}`)
  }
  return found
}

/** Below `packages` of each volume, three names deep; and anything that is no directory above that. */
async function buildDirectories(staging: string): Promise<string[]> {
  const names = async (path: string): Promise<string[]> => readdir(path).catch(() => [])
  const tops = [staging, ...(await names(join(staging, 'vol'))).map((volume) => join(staging, 'vol', volume))]
  const found: string[] = []
  for (const top of tops) {
    for (const name of await names(top))
      if (!['packages', 'vol', 'toplink'].includes(name)) found.push(join(top, name))
    for (const name of await names(join(top, 'packages')))
      for (const version of await names(join(top, 'packages', name)))
        for (const release of await names(join(top, 'packages', name, version)))
          found.push(join(top, 'packages', name, version, release))
  }
  return found
}
