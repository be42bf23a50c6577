import type { BuildSpec } from '../sim/world/builds.ts'
import { PACKAGES, type ProdAction, type ProdScene } from './prod-scene.ts'

const KEYS = ['aaaa0001', 'bbbb0002']
const VOLUMES = ['DEFAULT', 'archive']

function named({ dice }: ProdScene): Pick<BuildSpec, 'name' | 'version' | 'release' | 'epoch' | 'source'> {
  return {
    name: dice.of(PACKAGES),
    version: '1',
    release: String(1 + dice.below(5)),
    epoch: dice.chance(0.2) ? 1 : null,
    source: dice.chance(0.5) ? 'git+https://example.org/x' : null,
  }
}

async function typed(scene: ProdScene): Promise<BuildSpec> {
  const { dice, view } = scene
  const base = named(scene)
  const rpms = [{ arch: 'src' }, { arch: 'x86_64', checksums: dice.chance(0.5) }]
  const kind = dice.of(['rpm', 'rpm', 'maven', 'image', 'win', 'cg', 'draft'] as const)
  if (kind === 'rpm')
    return { ...base, rpms, extra: dice.chance(0.3) ? { a: 1.5, b: [null, 'ü'] } : undefined }
  if (kind === 'draft') return { ...base, rpms, draft: true }
  if (kind === 'maven') {
    const maven = { groupId: 'org.example', artifactId: base.name, version: '1' }
    return {
      ...base,
      rpms: [],
      maven,
      archives: [{ filename: 'a-1.jar', type: 'jar', btype: 'maven', maven }],
    }
  }
  if (kind === 'win') {
    const win = { relpath: 'x/y', platforms: 'win7', flags: null }
    const archives = [{ filename: 'a.exe', type: 'exe', btype: 'win', win }]
    return { ...base, rpms: [], win: { platform: 'win7' }, archives }
  }
  if (kind === 'cg') {
    const archives = [{ filename: 'src.tar.gz', type: 'tar', btype: 'remote-sources', subdir: 'deep/er' }]
    return {
      ...base,
      rpms,
      cg: 'osbs',
      archives,
      completionTime: dice.chance(0.5) ? '2020-01-02 03:04:05.6+00' : 'now',
    }
  }
  const contained = (await view.rpms()).slice(0, 3).map(({ id }) => id)
  const parts = (await view.archives()).slice(0, 1)
  const image = { arch: 'x86_64' }
  const archive = { filename: 'disk.qcow2', type: 'qcow2', btype: 'image', image, rpmComponents: contained }
  return { ...base, rpms: [], image: true, archives: [{ ...archive, archiveComponents: parts }] }
}

/** What happens to builds in prod, by name. */
export const buildActions: Readonly<Record<string, ProdAction>> = {
  importBuild: { weight: 14, run: async (s) => s.act.importBuild(await typed(s)) },
  'import and tag': {
    weight: 16,
    run: async (s) => {
      const spec = await typed(s)
      const tag = s.dice.of(await s.view.tags())
      const { id } = await s.act.importBuild(spec)
      await s.act.addPackage(tag, spec.name)
      await s.act.tagBuild(tag, id)
    },
  },
  startBuild: { weight: 3, run: (s) => s.act.startBuild(named(s)) },
  completeBuild: {
    weight: 4,
    run: async (s) =>
      s.act.completeBuild(s.dice.of(await s.view.builds('b.state = 0')).id, { rpms: [{ arch: 'src' }] }),
  },
  failBuild: {
    weight: 2,
    run: async (s) => s.act.failBuild(s.dice.of(await s.view.builds('b.state = 0')).id),
  },
  cancelBuild: {
    weight: 2,
    run: async (s) => s.act.cancelBuild(s.dice.of(await s.view.builds('b.state = 0')).id),
  },
  recycleBuild: {
    weight: 5,
    alone: true,
    run: async (s) => {
      const { id } = await s.act.recycleBuild(
        s.dice.of(await s.view.builds('b.state in (3, 4) and not b.draft')).id,
      )
      if (s.dice.chance(0.7)) await s.act.completeBuild(id, { rpms: [{ arch: 'src' }, { arch: 'noarch' }] })
    },
  },
  promoteBuild: {
    weight: 6,
    alone: true,
    run: async (s) => s.act.promoteBuild(s.dice.of(await s.view.builds('b.state = 1 and b.draft')).id),
  },
  changeVolume: {
    weight: 2,
    alone: true,
    run: async (s) => s.act.changeVolume(s.dice.of(await s.view.complete()).id, s.dice.of(VOLUMES)),
  },
  setBuildOwner: {
    weight: 2,
    run: async (s) =>
      s.act.setBuildOwner(s.dice.of(await s.view.complete()).id, s.dice.of(await s.view.users())),
  },
  setBuildTimestamp: {
    weight: 2,
    run: async (s) =>
      s.act.setBuildTimestamp(s.dice.of(await s.view.complete()).id, '2021-02-03 04:05:06.789012+00'),
  },
  deleteBuild: {
    weight: 6,
    alone: true,
    run: async (s) => s.act.deleteBuild(s.dice.of(await s.view.complete()).id),
  },
  resetBuild: {
    weight: 4,
    alone: true,
    run: async (s) => s.act.resetBuild(s.dice.of(await s.view.complete()).id),
  },
  addRpms: {
    weight: 2,
    run: async (s) =>
      s.act.addRpms(s.dice.of(await s.view.complete()).id, [{ arch: s.dice.of(['s390x', 'ppc64le']) }]),
  },
  signRpm: {
    weight: 6,
    run: async (s) => {
      const checksums = s.dice.chance(0.5)
      await s.act.signRpm(s.dice.of(await s.view.rpms()).id, s.dice.of(KEYS), { checksums })
    },
  },
  deleteSig: {
    weight: 2,
    alone: true,
    run: async (s) => {
      const rpm = s.dice.of((await s.view.rpms()).filter(({ keys }) => keys.length > 0))
      await s.act.deleteSig(rpm.id, s.dice.of(rpm.keys))
    },
  },
  tagBuild: {
    weight: 12,
    run: async (s) => {
      const build = s.dice.of(await s.view.complete())
      const tag = s.dice.of(await s.view.tags())
      if (s.dice.chance(0.8)) await s.act.addPackage(tag, build.name)
      await s.act.tagBuild(tag, build.id)
    },
  },
  untagBuild: {
    weight: 6,
    run: async (s) => {
      const { tag, build } = s.dice.of(await s.view.taggings())
      await s.act.untagBuild(tag, build)
    },
  },
  retagBuild: {
    weight: 6,
    run: async (s) => {
      const { tag, build } = s.dice.of(await s.view.taggings())
      await s.act.retagBuild(tag, build)
    },
  },
  moveBuild: {
    weight: 4,
    run: async (s) => {
      const { tag, build } = s.dice.of(await s.view.taggings())
      await s.act.moveBuild(tag, s.dice.of(await s.view.tags()), build)
    },
  },
}
