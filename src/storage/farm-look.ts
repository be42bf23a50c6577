import { KeyError } from '../errors.ts'
import { type BuildPlace, buildDir, convenienceLink, DEFAULT_VOLUME, versionPath } from '../model/paths.ts'
import { Directory } from './directory.ts'
import { diffFarm, type FarmDiff } from './farm-diff.ts'
import { type FarmPlan, planFarm } from './farm-plan.ts'
import { FarmTexts, type FarmTree, judgeFarm, readFarm } from './farm-standing.ts'
import type { Ground } from './ground.ts'
import { LinkTexts, type Standing } from './links.ts'
import type { PlacedBuild } from './placement.ts'
import { findSource } from './prod-source.ts'
import { beginAlike } from './real-file.ts'
import { prodPlace, stagingPlace } from './spots.ts'
import { conveniencePlan, type Free, standing, toplinkPlan } from './volume-plan.ts'

/** What prod has of a build, and what a farm makes of it. */
export interface FarmWanted {
  readonly place: BuildPlace
  readonly source: BuildPlace
  /** prod's directory of it, as we see it */
  readonly from: string
  readonly plan: FarmPlan
}

/** What stands of it. */
export interface FarmFound {
  readonly tree: FarmTree
  /** owner of the directory; null: there is none */
  readonly uid: bigint | null
  readonly diff: FarmDiff
  readonly toplink: Free
  readonly convenience: Free
}

const NOTHING: FarmTree = { entries: new Map(), leftovers: [], cut: false }

/** Compares what prod has of a build with what stands of it as a farm. Reads only. */
export class FarmLook {
  readonly #ground: Ground
  readonly #options: { readonly prodTopdir: string; readonly linkTarget: string; readonly anyOwner: boolean }
  readonly #texts: LinkTexts
  readonly #farmTexts: FarmTexts

  constructor(
    ground: Ground,
    options: { readonly prodTopdir: string; readonly linkTarget: string; readonly anyOwner: boolean },
  ) {
    this.#ground = ground
    this.#options = options
    this.#texts = new LinkTexts(options.linkTarget)
    this.#farmTexts = new FarmTexts(options.linkTarget)
  }

  /** Null: prod has no such directory. */
  async wanted(build: PlacedBuild): Promise<FarmWanted | null> {
    const place = stagingPlace('farm', build)
    const { prod } = this.#ground
    const { prodTopdir, linkTarget } = this.#options
    const source = await findSource(prod, prodTopdir, prodPlace(build))
    if (source === null) return null
    const from = await prod.realpath(buildDir(prodTopdir, source.place))
    const { inside } = source
    const text = buildDir(linkTarget.replace(/\/+$/, ''), source.place)
    const plan = await planFarm(prod, { path: from, source, text, inside })
    return { place, source: source.place, from, plan }
  }

  async diff(wanted: FarmWanted, tree: FarmTree, build: PlacedBuild, path: string): Promise<FarmDiff> {
    const { prod, stagingReader } = this.#ground
    return diffFarm(wanted.plan, tree, {
      place: wanted.place,
      texts: this.#farmTexts,
      anyOwner: this.#options.anyOwner,
      files: build.files,
      sigkeys: build.sigkeys,
      sameBytes: (name) =>
        beginAlike(
          { files: prod, path: `${wanted.from}/${name}` },
          { files: stagingReader, path: `${path}/${name}` },
        ),
    })
  }

  /** Throws KeyError STORAGE_CLASH where staging has something of its own under a name that is needed. */
  async at(root: string, wanted: FarmWanted, build: PlacedBuild): Promise<FarmFound> {
    const { place } = wanted
    const { staging } = this.#ground
    const path = buildDir(root, place)
    const now = await standing(staging, root, versionPath(place), place.release)
    if (now.kind === 'link') throw clash(path, `a link to ${JSON.stringify(now.text)}`)
    const directory =
      now.kind === 'nothing'
        ? null
        : await Directory.open(staging, root, [...versionPath(place), place.release])
    let tree = NOTHING
    let uid: bigint | null = null
    if (directory !== null) {
      try {
        tree = await readFarm(staging, directory)
        uid = (await directory.stat()).uid
      } finally {
        await directory.close()
      }
      if (!judgeFarm(tree, this.#farmTexts, place).isFarm) throw clash(path, "a directory of staging's own")
    }
    return {
      tree,
      uid,
      diff: await this.diff(wanted, tree, build, path),
      ...(await this.frame(root, place, build, uid)),
    }
  }

  /** The links round the directory, which belongs to `uid`. Throws KeyError STORAGE_CLASH. */
  async frame(
    root: string,
    place: BuildPlace,
    build: PlacedBuild,
    uid: bigint | null,
  ): Promise<Pick<FarmFound, 'toplink' | 'convenience'>> {
    const { staging } = this.#ground
    const base = { ...place, volume: DEFAULT_VOLUME }
    const toplink = await standing(staging, root, ['vol', place.volume], 'toplink')
    const convenience = await standing(staging, root, versionPath(base), place.release)
    return {
      toplink: await toplinkPlan(staging, root, place.volume, toplink),
      convenience: await this.convenience(root, place, build, uid, convenience),
    }
  }

  /** What is to be done with the link on the default volume. `uid`: owner of what it leads to; null: there is nothing yet. */
  convenience(
    root: string,
    place: BuildPlace,
    { buildId, formerVolumes }: PlacedBuild,
    uid: bigint | null,
    now: Standing,
  ): Promise<Free> {
    const wanted = {
      place,
      convenience: convenienceLink(place),
      uid: this.#options.anyOwner ? null : uid,
      buildId,
      formerVolumes,
    }
    return conveniencePlan(this.#ground.staging, root, this.#texts, wanted, now)
  }
}

/** True when the links round the directory are as they should be. */
export function isFramed(found: Pick<FarmFound, 'toplink' | 'convenience'>): boolean {
  return found.toplink === 'right' && found.convenience === 'right'
}

function clash(path: string, what: string): KeyError {
  return new KeyError('STORAGE_CLASH', `${path} holds ${what}, and prod's build belongs there`, {
    detail: { path, found: what },
  })
}
