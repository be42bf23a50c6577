import type { ReadOptions } from '../../hub/hub.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { Kin } from '../../queue/kin.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Deps } from '../deps.ts'
import type { Together } from '../floods.ts'
import { bringNewBuilds } from './new-builds.ts'
import { NewBuildsReader } from './observe-new.ts'
import { BUILDS_TOGETHER, readNewBuilds } from './read-new.ts'
import { convergeLists, isListClaim } from './tag-lists.ts'

const BUILD: Kin = { kinds: ['build'], within: '/' }

/** Of a flood: builds that staging has nothing of, and the package entries and listings of one tag. */
export class ManyTogether implements Together {
  readonly #deps: Deps
  constructor(deps: Deps) {
    this.#deps = deps
  }

  kinOf({ key, expect }: Claim): Kin | null {
    if (key.kind === 'package' || key.kind === 'tagged')
      return { kinds: ['package', 'tagged'], within: `/${key.tagId}/` }
    // Messages tell of builds one by one, and mostly of those that staging has.
    return key.kind === 'build' && expect.length === 0 ? BUILD : null
  }

  async converge(
    kin: Kin,
    claims: readonly Claim[],
    signal: AbortSignal,
    ended: (claim: Claim, outcome: Outcome) => void,
  ): Promise<void> {
    const isLive = claims.some(({ priority }) => priority === 'live')
    const options: ReadOptions = { priority: isLive ? 'live' : 'sweep', signal }
    if (kin === BUILD) return this.#builds(claims, options, ended)
    const lists = claims.filter(isListClaim)
    const [first] = lists
    if (first === undefined) return
    await convergeLists(this.#deps, first.key.tagId, lists, options, (some, outcomeOf) => {
      for (const claim of some) ended(claim, outcomeOf(claim))
    })
  }

  async #builds(
    claims: readonly Claim[],
    options: ReadOptions,
    ended: (claim: Claim, outcome: Outcome) => void,
  ): Promise<void> {
    const reader = new NewBuildsReader(this.#deps.hub, options)
    const sorted = [...claims].sort((a, b) => idOf(a) - idOf(b))
    for (let at = 0; at < sorted.length; at += BUILDS_TOGETHER) {
      const found = await readNewBuilds(this.#deps, reader, sorted.slice(at, at + BUILDS_TOGETHER), options)
      if (found.length === 0) continue
      for (const claim of await bringNewBuilds(this.#deps, found, options))
        ended(claim, { kind: 'applied', rows: 1 })
    }
  }
}

function idOf({ key }: Claim): number {
  return key.kind === 'build' ? key.buildId : 0
}
