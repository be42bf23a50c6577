import { PACKAGES, type ProdAction } from './prod-scene.ts'

const EXTRAS = ['mock.package_manager', 'rpm.macro.dist', 'mock.new_chroot']
const GROUPS = ['build', 'srpm-build']
const REPOS = ['epel', 'updates']

/** What happens to tags, package lists, targets, external repos and users in prod, by name. */
export const tagActions: Readonly<Record<string, ProdAction>> = {
  addPackage: {
    weight: 4,
    run: async (s) => {
      const entry = { blocked: s.dice.chance(0.3), extraArches: s.dice.chance(0.3) ? 'noarch' : null }
      await s.act.addPackage(s.dice.of(await s.view.tags()), s.dice.of(PACKAGES), entry)
    },
  },
  unblockPackage: {
    weight: 2,
    run: async (s) => {
      const { tag, name } = s.dice.of((await s.view.entries()).filter(({ blocked }) => blocked))
      await s.act.unblockPackage(tag, name)
    },
  },
  removePackage: {
    weight: 2,
    run: async (s) => {
      const { tag, name } = s.dice.of(await s.view.entries())
      await s.act.removePackage(tag, name)
    },
  },
  setOwner: {
    weight: 2,
    run: async (s) => {
      const { tag, name } = s.dice.of(await s.view.entries())
      await s.act.setOwner(tag, name, s.dice.of(await s.view.users()))
    },
  },
  addTag: {
    weight: 4,
    run: async (s) => {
      const parent = s.dice.of(await s.view.tags())
      await s.act.addTag(`tag${s.dice.below(30)}`, {
        arches: 'x86_64',
        parent,
        extra: { [s.dice.of(EXTRAS)]: 1 },
      })
    },
  },
  recreateTag: {
    weight: 2,
    run: async (s) => s.act.recreateTag(s.dice.of(await s.view.deletedTags()), { arches: 'i386' }),
  },
  editTag: {
    weight: 3,
    run: async (s) => {
      const settings = { arches: s.dice.of(['x86_64', 'x86_64 aarch64', null]), locked: s.dice.chance(0.3) }
      await s.act.editTag(s.dice.of(await s.view.tags()), { ...settings, mavenSupport: s.dice.chance(0.3) })
    },
  },
  renameTag: {
    weight: 3,
    run: async (s) => s.act.renameTag(s.dice.of(await s.view.tags()), `tag${s.dice.below(30)}`),
  },
  swapTags: {
    weight: 2,
    run: async (s) => {
      const [one, other] = [s.dice.of(await s.view.tags()), s.dice.of(await s.view.tags())]
      await s.act.renameTag(one, 'swapping')
      await s.act.renameTag(other, one)
      await s.act.renameTag('swapping', other)
    },
  },
  deleteTag: { weight: 2, run: async (s) => s.act.deleteTag(s.dice.of(await s.view.tags())) },
  setExtra: {
    weight: 3,
    run: async (s) =>
      s.act.setExtra(
        s.dice.of(await s.view.tags()),
        s.dice.of(EXTRAS),
        s.dice.of([1, 'text', null, { a: [1] }, true]),
      ),
  },
  blockExtra: {
    weight: 1,
    run: async (s) => s.act.blockExtra(s.dice.of(await s.view.tags()), s.dice.of(EXTRAS)),
  },
  removeExtra: {
    weight: 1,
    run: async (s) => {
      const { tag, key } = s.dice.of(await s.view.extras())
      await s.act.removeExtra(tag, key)
    },
  },
  setInheritance: {
    weight: 4,
    run: async (s) => {
      // A tag inherits from older ones: no circles.
      const tags = await s.view.tags()
      const at = 1 + s.dice.below(Math.max(1, tags.length - 1))
      const parents = tags.slice(0, at).filter(() => s.dice.chance(0.6))
      const link = (parent: string, index: number) => ({
        parent,
        priority: 10 * index + s.dice.below(5),
        maxdepth: s.dice.chance(0.2) ? 1 : null,
        intransitive: s.dice.chance(0.2),
        noconfig: s.dice.chance(0.2),
        filter: s.dice.chance(0.2) ? '^bash$' : '',
      })
      await s.act.setInheritance(s.dice.of(tags.slice(at, at + 1)), parents.map(link))
    },
  },
  group: {
    weight: 4,
    run: async (s) => {
      const [tag, group] = [s.dice.of(await s.view.tags()), s.dice.of(GROUPS)]
      await s.act.addGroup(tag, group, {
        blocked: s.dice.chance(0.2),
        description: s.dice.of([null, 'text']),
      })
      await s.act.addGroupPackage(tag, group, s.dice.of(PACKAGES), { blocked: s.dice.chance(0.2) })
      if (s.dice.chance(0.5)) await s.act.addGroupReq(tag, group, 'base')
    },
  },
  removeGroup: {
    weight: 2,
    run: async (s) => {
      const { tag, group } = s.dice.of(await s.view.groups())
      if (s.dice.chance(0.5)) await s.act.removeGroupPackage(tag, group, s.dice.of(PACKAGES))
      else await s.act.removeGroup(tag, group)
    },
  },
  addExternalRepo: {
    weight: 2,
    run: async (s) => s.act.addExternalRepo(s.dice.of(REPOS), `https://example.org/${s.dice.below(9)}/`),
  },
  editExternalRepo: {
    weight: 2,
    run: async (s) => {
      const url = s.dice.chance(0.6) ? { url: `https://example.org/new${s.dice.below(9)}/` } : {}
      const name = s.dice.chance(0.4) ? { name: s.dice.of([...REPOS, 'other']) } : {}
      await s.act.editExternalRepo(s.dice.of(await s.view.repos()), { ...url, ...name })
    },
  },
  deleteExternalRepo: {
    weight: 1,
    run: async (s) => s.act.deleteExternalRepo(s.dice.of(await s.view.repos())),
  },
  addExternalRepoToTag: {
    weight: 3,
    run: async (s) => {
      const settings = { priority: s.dice.below(20), mergeMode: s.dice.of(['koji', 'bare']) }
      await s.act.addExternalRepoToTag(
        s.dice.of(await s.view.tags()),
        s.dice.of(await s.view.repos()),
        settings,
      )
    },
  },
  removeExternalRepoFromTag: {
    weight: 1,
    run: async (s) =>
      s.act.removeExternalRepoFromTag(s.dice.of(await s.view.tags()), s.dice.of(await s.view.repos())),
  },
  addTarget: {
    weight: 2,
    run: async (s) => {
      const tags = await s.view.tags()
      await s.act.addTarget(`target${s.dice.below(4)}`, s.dice.of(tags), s.dice.of(tags))
    },
  },
  editTarget: {
    weight: 2,
    run: async (s) => {
      const name = s.dice.chance(0.4) ? { name: `target${s.dice.below(4)}` } : {}
      await s.act.editTarget(s.dice.of(await s.view.targets()), {
        destTag: s.dice.of(await s.view.tags()),
        ...name,
      })
    },
  },
  deleteTarget: { weight: 1, run: async (s) => s.act.deleteTarget(s.dice.of(await s.view.targets())) },
  addUser: { weight: 1, run: (s) => s.act.addUser(`user${s.dice.below(20)}`) },
  idleEvent: { weight: 1, run: (s) => s.act.idleEvent() },
}
