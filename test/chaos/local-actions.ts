import type { ProdWorld } from '../sim/prod-world.ts'
import type { Dice } from './dice.ts'
import type { KojiView } from './koji-view.ts'

/** What staging's people made, and what must therefore be there at the end. By staging's ids, which never change. */
export class LocalRows {
  readonly builds = new Set<number>()
  readonly tags = new Set<number>()
  readonly signatures = new Set<number>()
  /** Prod's hub has kept rows from us: what was taken for gone then, catch-up has no reason to look at. */
  pagesLost = false
  readonly #taggings = new Set<string>()

  tagged(tag: number, build: number): void {
    this.#taggings.add(`${tag} ${build}`)
  }

  untagged(tag: number, build: number): void {
    this.#taggings.delete(`${tag} ${build}`)
  }

  /** An rpm of theirs bears a signature of theirs. */
  signed(rpm: number): void {
    this.signatures.add(rpm)
  }

  unsigned(rpms: readonly number[]): void {
    for (const rpm of rpms) this.signatures.delete(rpm)
  }

  get taggings(): readonly (readonly [tag: number, build: number])[] {
    return [...this.#taggings].map((text) => text.split(' ').map(Number) as [number, number])
  }
}

/** What people of staging see, and who acts: they themselves, or a transaction of theirs that is held open. */
interface LocalScene {
  readonly local: Pick<ProdWorld, 'rows'>
  readonly act: Pick<ProdWorld, Exclude<keyof ProdWorld, 'together' | 'begin' | 'rows' | 'close'>>
  readonly view: KojiView
  readonly dice: Dice
  readonly rows: LocalRows
  /** what is true once this is committed */
  note(then: () => void): void
}

interface LocalAction {
  readonly weight: number
  /** Changes files: never part of a transaction that is held open. */
  readonly alone?: true
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
  if (entry === undefined) await scene.act.addPackage(tag, build.name)
  await scene.act.tagBuild(tag, build.id)
  const id = await tagId(scene, tag)
  scene.note(() => scene.rows.tagged(id, build.id))
}

async function rpmsOf(scene: LocalScene, build: number): Promise<number[]> {
  const rows = await scene.local.rows('select id from rpminfo where build_id = $1', [build])
  return rows.map(({ id }) => Number(id))
}

async function own(scene: LocalScene): Promise<{ id: number; name: string }[]> {
  return (await scene.view.complete()).filter(({ name }) => OWN.includes(name))
}

/** What people do in staging, by name. */
const actions: Readonly<Record<string, LocalAction>> = {
  'local build': {
    weight: 5,
    alone: true,
    run: async (s) => {
      const name = s.dice.of(OWN)
      const { id } = await s.act.importBuild({ name, version: '1', release: String(s.dice.below(6)), rpms })
      s.rows.builds.add(id)
    },
  },
  'local clash': {
    weight: 1,
    alone: true,
    run: async (s) => {
      const name = s.dice.of(['bash', 'vim'])
      await s.act.importBuild({ name, version: '1', release: String(1 + s.dice.below(5)), rpms })
    },
  },
  'local tag': {
    weight: 3,
    run: async (s) => {
      const parents = await s.view.tags('tag%')
      const parent = s.dice.chance(0.6) && parents.length > 0 ? { parent: s.dice.of(parents) } : {}
      const id = await s.act.addTag(`own${s.dice.below(6)}`, { arches: 'x86_64', ...parent })
      s.note(() => s.rows.tags.add(id))
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
      await s.act.untagBuild(tag, build)
      s.note(() => s.rows.untagged(id, build))
    },
  },
  'local delete': {
    weight: 2,
    alone: true,
    run: async (s) => {
      const { id } = s.dice.of(await own(s))
      for (const { tagId: tag } of await s.view.taggings(`l.build_id = ${Number(id)}`))
        s.rows.untagged(tag, id)
      await s.act.deleteBuild(id)
      s.rows.builds.delete(id)
      s.rows.unsigned(await rpmsOf(s, id))
    },
  },
  'local signature': {
    weight: 2,
    alone: true,
    run: async (s) => {
      const { id } = s.dice.of(
        await s.view.rpms(`b.pkg_id in (select id from package where name like 'own-%')`),
      )
      await s.act.signRpm(id, 'cccc0003')
      s.rows.signed(id)
    },
  },
  'local untag of prod': {
    weight: 2,
    run: async (s) => {
      const { tag, build } = s.dice.of(await s.view.taggings(`not ${isLocal}`))
      await s.act.untagBuild(tag, build)
    },
  },
  'local edit of prod': {
    weight: 3,
    run: async (s) => {
      const tag = s.dice.of(await s.view.tags('tag%'))
      if (s.dice.chance(0.5)) await s.act.editTag(tag, { arches: 'local' })
      else {
        const { name } = s.dice.of((await s.view.entries()).filter((entry) => entry.tag === tag))
        await s.act.removePackage(tag, name)
      }
    },
  },
  'local settings': {
    weight: 2,
    run: async (s) => {
      const tag = s.dice.of(await s.view.tags('own%'))
      if (s.dice.chance(0.5)) await s.act.editTag(tag, { arches: s.dice.of(['x86_64', 'aarch64', null]) })
      else await s.act.setExtra(tag, 'mock.local', s.dice.below(9))
    },
  },
  'local event': { weight: 2, run: (s) => s.act.idleEvent() },
}

/** Each as often as it is to be drawn. */
export const localNames: readonly string[] = Object.entries(actions).flatMap(([name, { weight }]) =>
  Array.from({ length: weight }, () => name),
)

/** Undefined: no action of staging's people. */
export const localAction = (name: string): LocalAction | undefined => actions[name]
