import type { ProdWorld } from '../sim/prod-world.ts'
import type { BuildSpec } from '../sim/world/builds.ts'

/** One change of prod that is done many times, each to things of its own; `n` tells them apart. */
export interface Operation {
  readonly name: string
  /** What is in staging before; gives back what `change` needs. */
  readonly before?: (prod: ProdWorld, n: string) => Promise<unknown>
  /** The change, whose key is converged and cut off. */
  readonly change: (prod: ProdWorld, n: string, before: never) => Promise<unknown>
  /** Keys as people type them. */
  readonly keys: (n: string, prod: ProdWorld) => Promise<readonly string[]>
}

const rpms = [{ arch: 'src', checksums: true }, { arch: 'x86_64' }]
const RELEASE = { version: '1', release: '1' }
const maven = { groupId: 'org.example', artifactId: 'a', version: '1' }

const pkg = (n: string): string => `crash-${n}`
const tagName = (n: string): string => `crash-tag-${n}`

/** Of a draft too, whose release has its id in it. */
async function buildKey(n: string, prod: ProdWorld): Promise<readonly string[]> {
  const rows = await prod.rows(
    'select b.id from build b join package p on p.id = b.pkg_id where p.name = $1 order by b.id',
    [pkg(n)],
  )
  return rows.map(({ id }) => `build/${id}`)
}

const tagKey = async (n: string): Promise<readonly string[]> => [`tag/${tagName(n)}`]
const taggedKey = async (n: string): Promise<readonly string[]> => [`tagged/${tagName(n)}/${pkg(n)}`]

const specOf = (n: string, more: Partial<BuildSpec> = {}): BuildSpec => ({
  name: pkg(n),
  ...RELEASE,
  rpms,
  ...more,
})

const imported =
  (more: (n: string) => Partial<BuildSpec>) =>
  async (prod: ProdWorld, n: string): Promise<unknown> =>
    prod.importBuild(specOf(n, more(n)))

const plain = imported(() => ({}))
const withJar = imported(() => ({
  maven,
  archives: [{ filename: 'a.jar', type: 'jar', btype: 'maven', maven }],
}))

/** Two builds of a package in a tag, the second one on top. */
async function tagged(prod: ProdWorld, n: string): Promise<void> {
  await prod.addTag(tagName(n), { arches: 'x86_64' })
  await prod.addPackage(tagName(n), pkg(n))
  for (const release of ['1', '2']) {
    await prod.importBuild(specOf(n, { release }))
    await prod.tagBuild(tagName(n), `${pkg(n)}-1-${release}`)
  }
}

async function rpmOf(prod: ProdWorld, n: string): Promise<number> {
  const [row] = await prod.rows(
    `select r.id from rpminfo r join build b on b.id = r.build_id join package p on p.id = b.pkg_id where p.name = $1
      order by r.id limit 1`,
    [pkg(n)],
  )
  return Number(row?.id)
}

const nvr = (n: string): string => `${pkg(n)}-1-1`

/** Every change of a build that staging follows. */
export const BUILDS: readonly Operation[] = [
  { name: 'import of an rpm build', change: plain, keys: buildKey },
  { name: 'import of a maven build', change: withJar, keys: buildKey },
  {
    name: 'import of a win build',
    change: imported(() => ({
      rpms: [],
      win: { platform: 'win7' },
      archives: [{ filename: 'a.exe', type: 'exe', btype: 'win', win: { relpath: 'x', platforms: 'win7' } }],
    })),
    keys: buildKey,
  },
  {
    name: 'import of an image',
    before: async (prod) => rpmOf(prod, 'part'),
    change: async (prod, n, part) =>
      prod.importBuild(
        specOf(n, {
          rpms: [],
          image: true,
          archives: [
            {
              filename: 'd.qcow2',
              type: 'qcow2',
              btype: 'image',
              image: { arch: 'x86_64' },
              rpmComponents: [part as number],
            },
          ],
        }),
      ),
    keys: buildKey,
  },
  {
    name: "import of a content generator's build",
    change: imported(() => ({
      cg: 'osbs',
      archives: [{ filename: 's.tar', type: 'tar', btype: 'remote-sources', subdir: 'deep/er' }],
    })),
    keys: buildKey,
  },
  { name: 'import of a draft', change: imported(() => ({ draft: true })), keys: buildKey },
  {
    name: 'signature',
    before: plain,
    change: async (prod, n) => prod.signRpm(await rpmOf(prod, n), 'cafe0001'),
    keys: buildKey,
  },
  {
    name: 'removal of a signature',
    before: async (prod, n) => {
      await plain(prod, n)
      await prod.signRpm(await rpmOf(prod, n), 'cafe0001', { checksums: true })
    },
    change: async (prod, n) => prod.deleteSig(await rpmOf(prod, n), 'cafe0001'),
    keys: buildKey,
  },
  {
    name: 'added rpms',
    before: plain,
    change: (prod, n) => prod.addRpms(nvr(n), [{ arch: 's390x' }]),
    keys: buildKey,
  },
  {
    name: 'volume move',
    before: plain,
    change: (prod, n) => prod.changeVolume(nvr(n), 'archive'),
    keys: buildKey,
  },
  {
    name: 'promotion',
    before: imported(() => ({ draft: true })),
    change: async (prod, n) => prod.promoteBuild(Number((await buildKey(n, prod))[0]?.split('/')[1])),
    keys: buildKey,
  },
  { name: 'deletion', before: withJar, change: (prod, n) => prod.deleteBuild(nvr(n)), keys: buildKey },
  { name: 'reset', before: withJar, change: (prod, n) => prod.resetBuild(nvr(n)), keys: buildKey },
  {
    name: 'build anew after a reset',
    before: withJar,
    change: async (prod, n) => {
      await prod.resetBuild(nvr(n))
      await prod.recycleBuild(nvr(n))
      await prod.completeBuild(nvr(n), { rpms })
    },
    keys: buildKey,
  },
]

/** Every change of a tag, its lists, targets and repos. */
export const TAGS: readonly Operation[] = [
  {
    name: 'tag',
    before: async (prod, n) => {
      await tagged(prod, n)
      await prod.importBuild(specOf(n, { release: '3' }))
    },
    change: (prod, n) => prod.tagBuild(tagName(n), `${pkg(n)}-1-3`),
    keys: taggedKey,
  },
  {
    name: 'retag',
    before: tagged,
    change: (prod, n) => prod.retagBuild(tagName(n), nvr(n)),
    keys: taggedKey,
  },
  {
    name: 'untag',
    before: tagged,
    change: (prod, n) => prod.untagBuild(tagName(n), `${pkg(n)}-1-2`),
    keys: taggedKey,
  },
  {
    name: 'insertion below the latest',
    before: async (prod, n) => {
      await prod.addTag(tagName(n))
      await prod.addPackage(tagName(n), pkg(n))
      for (const release of ['1', '2']) await prod.importBuild(specOf(n, { release }))
      // A transaction that tags the first one has its event, and has not committed yet.
      const event = await prod.idleEvent()
      await prod.tagBuild(tagName(n), `${pkg(n)}-1-2`)
      return event
    },
    change: (prod, n, event) =>
      prod.rows(
        `insert into tag_listing (build_id, tag_id, create_event, creator_id)
         select b.id, t.id, $1, (select min(id) from users) from build b join package p on p.id = b.pkg_id, tag t
          where p.name = $2 and b.release = '1' and t.name = $3`,
        [event, pkg(n), tagName(n)],
      ),
    keys: taggedKey,
  },
  {
    name: 'new tag with everything',
    change: async (prod, n) => {
      await prod.addTag(tagName(n), {
        arches: 'x86_64',
        parent: 'crash-parent',
        extra: { 'mock.new_chroot': 1 },
      })
      await prod.addGroup(tagName(n), 'build', {})
      await prod.addGroupPackage(tagName(n), 'build', 'bash', {})
      await prod.addExternalRepoToTag(tagName(n), 'crash-repo', { priority: 5 })
    },
    keys: tagKey,
  },
  {
    name: 'tag edit',
    before: (prod, n) => prod.addTag(tagName(n), { arches: 'x86_64' }),
    change: async (prod, n) => {
      await prod.editTag(tagName(n), { arches: 'aarch64', locked: true })
      await prod.setExtra(tagName(n), 'mock.new_chroot', 2)
    },
    keys: tagKey,
  },
  {
    name: 'deletion of a tag',
    before: tagged,
    change: (prod, n) => prod.deleteTag(tagName(n)),
    keys: tagKey,
  },
  {
    name: 'rename of a tag',
    before: (prod, n) => prod.addTag(`old-${tagName(n)}`, { arches: 'x86_64' }),
    change: (prod, n) => prod.renameTag(`old-${tagName(n)}`, tagName(n)),
    keys: tagKey,
  },
  {
    name: 'package list',
    before: (prod, n) => prod.addTag(tagName(n)),
    change: (prod, n) => prod.addPackage(tagName(n), pkg(n), { blocked: true, extraArches: 'noarch' }),
    keys: async (n) => [`package/${tagName(n)}/${pkg(n)}`],
  },
  {
    name: 'target',
    change: (prod, n) => prod.addTarget(`crash-target-${n}`, 'crash-parent', 'crash-parent'),
    keys: async (n) => [`target/crash-target-${n}`],
  },
  {
    name: 'external repo',
    before: (prod, n) => prod.addExternalRepo(`crash-repo-${n}`, 'https://example.org/old/'),
    change: (prod, n) => prod.editExternalRepo(`crash-repo-${n}`, { url: 'https://example.org/new/' }),
    keys: async (n) => [`external-repo/crash-repo-${n}`],
  },
]

/** What all share, in staging before anything is cut off. */
export async function shared(prod: ProdWorld): Promise<void> {
  await prod.addTag('crash-parent', { arches: 'x86_64' })
  await prod.addExternalRepo('crash-repo', 'https://example.org/shared/')
  await prod.importBuild(specOf('part'))
}
