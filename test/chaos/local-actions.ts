import type { ProdWorld } from '../sim/prod-world.ts'
import type { Dice } from './dice.ts'
import type { KojiView } from './koji-view.ts'

/** What staging's people made, and what must therefore be there at the end. By staging's ids, which never change. */
export class LocalRows {
  readonly builds = new Set<number>()
  readonly tags = new Set<number>()
  readonly #taggings = new Set<string>()

  tagged(tag: number, build: number): void {
    this.#taggings.add(`${tag} ${build}`)
  }

  untagged(tag: number, build: number): void {
    this.#taggings.delete(`${tag} ${build}`)
  }

  get taggings(): readonly (readonly [tag: number, build: number])[] {
    return [...this.#taggings].map((text) => text.split(' ').map(Number) as [number, number])
  }
}

interface LocalScene {
  readonly local: ProdWorld
  readonly view: KojiView
  readonly dice: Dice
  readonly rows: LocalRows
}

interface LocalAction {
  readonly weight: number
  run(scene: LocalScene): Promise<unknown>
}

const OWN = ['own-a', 'own-b']
const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
const isLocal = `l.creator_id = (select id from users where name = 'local')`

async function tagId(scene: LocalScene, name: string): Promise<number> {
  return Number((await scene.local.rows('select id from tag where name = $1', [name]))[0]?.id)
}

async function tagBuild(scene: LocalScene, tag: string, build: { id: number; name: string }): Promise<void> {
  const [entry] = await scene.local.rows(
    `select 1 from tag_packages l join tag t on t.id = l.tag_id join package p on p.id = l.package_id
      where l.active and t.name = $1 and p.name = $2`,
    [tag, build.name],
  )
  if (entry === undefined) await scene.local.addPackage(tag, build.name)
  await scene.local.tagBuild(tag, build.id)
  scene.rows.tagged(await tagId(scene, tag), build.id)
}

async function own(scene: LocalScene): Promise<{ id: number; name: string }[]> {
  return (await scene.view.complete()).filter(({ name }) => OWN.includes(name))
}

/** What people do in staging, by name. */
const actions: Readonly<Record<string, LocalAction>> = {
  'local build': {
    weight: 5,
    run: async (s) => {
      const name = s.dice.of(OWN)
      const { id } = await s.local.importBuild({ name, version: '1', release: String(s.dice.below(6)), rpms })
      s.rows.builds.add(id)
    },
  },
  'local clash': {
    weight: 1,
    run: async (s) => {
      const name = s.dice.of(['bash', 'vim'])
      await s.local.importBuild({ name, version: '1', release: String(1 + s.dice.below(5)), rpms })
    },
  },
  'local tag': {
    weight: 3,
    run: async (s) => {
      const parents = await s.view.tags('tag%')
      const parent = s.dice.chance(0.6) && parents.length > 0 ? { parent: s.dice.of(parents) } : {}
      s.rows.tags.add(await s.local.addTag(`own${s.dice.below(6)}`, { arches: 'x86_64', ...parent }))
    },
  },
  'local tagging': {
    weight: 5,
    run: async (s) => tagBuild(s, s.dice.of(await s.view.tags()), s.dice.of(await own(s))),
  },
  'local tagging of prod build': {
    weight: 3,
    run: async (s) => tagBuild(s, s.dice.of(await s.view.tags('own%')), s.dice.of(await s.view.complete())),
  },
  'local untag': {
    weight: 2,
    run: async (s) => {
      const { tag, tagId: id, build } = s.dice.of(await s.view.taggings(isLocal))
      await s.local.untagBuild(tag, build)
      s.rows.untagged(id, build)
    },
  },
  'local delete': {
    weight: 2,
    run: async (s) => {
      const { id } = s.dice.of(await own(s))
      for (const { tagId: tag } of await s.view.taggings(`l.build_id = ${Number(id)}`))
        s.rows.untagged(tag, id)
      await s.local.deleteBuild(id)
      s.rows.builds.delete(id)
    },
  },
  'local signature': {
    weight: 2,
    run: async (s) => {
      const { id } = s.dice.of(
        await s.view.rpms(`b.pkg_id in (select id from package where name like 'own-%')`),
      )
      await s.local.signRpm(id, 'cccc0003')
    },
  },
  'local untag of prod': {
    weight: 2,
    run: async (s) => {
      const { tag, build } = s.dice.of(await s.view.taggings(`not ${isLocal}`))
      await s.local.untagBuild(tag, build)
    },
  },
  'local edit of prod': {
    weight: 3,
    run: async (s) => {
      const tag = s.dice.of(await s.view.tags('tag%'))
      if (s.dice.chance(0.5)) await s.local.editTag(tag, { arches: 'local' })
      else {
        const { name } = s.dice.of((await s.view.entries()).filter((entry) => entry.tag === tag))
        await s.local.removePackage(tag, name)
      }
    },
  },
  'local event': { weight: 2, run: (s) => s.local.idleEvent() },
}

/** Each as often as it is to be drawn. */
export const localNames: readonly string[] = Object.entries(actions).flatMap(([name, { weight }]) =>
  Array.from({ length: weight }, () => name),
)

/** Undefined: no action of staging's people. */
export const localAction = (name: string): LocalAction | undefined => actions[name]
