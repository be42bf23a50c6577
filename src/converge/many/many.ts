import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { OutageError, SafetyError, StopError, SyncError } from '../../errors.ts'
import type { ReadOptions } from '../../hub/hub.ts'
import { formatKey, type Key } from '../../model/key.ts'
import type { Claim } from '../../queue/queue.ts'
import type { Deps } from '../deps.ts'
import { HeldClaims } from './held-claims.ts'
import { bringNewBuilds } from './new-builds.ts'
import { NewBuildsReader } from './observe-new.ts'
import { BUILDS_TOGETHER, readNewBuilds } from './read-new.ts'
import { convergeLists, type ListClaim } from './tag-lists.ts'

export interface ManyOptions {
  readonly deps: Deps
  /** told each key that was made equal here */
  readonly onEnded?: (key: Key) => void
}

/** Fewer keys than this are the worker's: what is shared between them would not pay. */
const FEW = 20

/** Keys of one tag that are claimed together. */
const LISTS = 2_000

/** For its settings to be applied, a new tag is waited for so long. */
const TAG_MS = 30_000

/**
 * Converges many keys together: builds that staging has nothing of, and package entries and listings of a tag. The same claims, reads,
 * differences, gate and fence as for one key; only the statements, and the requests to prod, are shared. Whatever is not plain is given back, and
 * met by the worker as any key.
 */
export class Many {
  readonly #options: ManyOptions
  constructor(options: ManyOptions) {
    this.#options = options
  }

  /** What it would take of keys that are to be marked. */
  takes(keys: readonly Key[]): { readonly taken: readonly Key[]; readonly left: readonly Key[] } {
    const groups = [...groupKeys(keys).values()].filter((group) => group.length >= FEW)
    const taken = groups.flat()
    const set = new Set(taken)
    return { taken, left: keys.filter((key) => !set.has(key)) }
  }

  /**
   * Marks and converges keys that `takes` took. Those that it did not end are in the queue afterwards. Throws SafetyError, StopError, and
   * what is nobody's error but a bug.
   */
  async converge(keys: readonly Key[], signal: AbortSignal): Promise<void> {
    const shared = AbortSignal.any([signal])
    setMaxListeners(0, shared)
    const options: ReadOptions = { priority: 'sweep', signal: shared }
    const { deps } = this.#options
    const groups = groupKeys(keys)
    const builds = (groups.get('build') ?? []).flatMap((key) => (key.kind === 'build' ? [key] : []))
    builds.sort((a, b) => a.buildId - b.buildId)
    const reader = new NewBuildsReader(deps.hub, options)
    await this.#inSlices(builds, BUILDS_TOGETHER, shared, async (claims) => {
      const found = await readNewBuilds(deps, reader, claims, options)
      return async (ended) => {
        if (found.length > 0) ended(await bringNewBuilds(deps, found, options))
      }
    })
    groups.delete('build')
    for (const group of groups.values()) {
      const tagId = (group[0] as ListClaim['key']).tagId
      await this.#standing(tagId, shared)
      await this.#inSlices(group, LISTS, shared, async (claims) => {
        return (ended) => convergeLists(deps, tagId, claims as readonly ListClaim[], options, ended)
      })
    }
  }

  /**
   * Claims slices of keys, and does what is given with each: reads prod, one slice after the other, and then writes, while the next is read. An
   * outage ends the sharing: what is left is only marked, and the worker's breakers know what to do.
   */
  async #inSlices(
    keys: readonly Key[],
    size: number,
    signal: AbortSignal,
    read: (claims: readonly Claim[]) => Promise<(ended: (claims: readonly Claim[]) => void) => Promise<void>>,
  ): Promise<void> {
    const { queue } = this.#options.deps
    let isDown = false
    const settled = async (work: () => Promise<void>, held: HeldClaims): Promise<void> => {
      try {
        await work()
      } catch (error) {
        if (!(error instanceof SyncError) || error instanceof SafetyError || error instanceof StopError)
          throw error
        if (error instanceof OutageError) isDown = true
      } finally {
        await held.close()
      }
    }
    let writing: Promise<void> = Promise.resolve()
    try {
      for (let at = 0; at < keys.length; at += size) {
        const marks = keys.slice(at, at + size).map((key) => ({ key, priority: 'sweep' as const }))
        if (isDown) {
          await queue.mark(marks)
          continue
        }
        if (signal.aborted) throw new StopError('STOPPED', 'stopped')
        const held = new HeldClaims(queue, await queue.markAndClaim(marks))
        const before = writing
        const reading = read(held.open)
        writing = settled(async () => {
          const [earlier, write] = await Promise.allSettled([before, reading])
          // What stopped the one before stops all writing.
          if (earlier.status === 'rejected') throw earlier.reason
          if (write.status === 'rejected') throw write.reason
          await write.value((claims) => {
            held.ended(claims)
            for (const { key } of claims) this.#options.onEnded?.(key)
          })
        }, held)
        // Told below; until then nobody listens.
        writing.catch(() => {})
        await Promise.allSettled([reading, before])
        await before
      }
    } catch (error) {
      await writing.catch(() => {})
      throw error
    }
    await writing
  }

  /** Until the tag's own key has left the queue, or will not soon. */
  async #standing(tagId: number, signal: AbortSignal): Promise<void> {
    const key = formatKey({ kind: 'tag', tagId })
    const untilMs = performance.now() + TAG_MS
    while (!signal.aborted && performance.now() < untilMs) {
      const rows = await this.#options.deps.database.query(
        'many.tag',
        'select 1 from staging_sync.queue where key = $1 and parked_at is null and attempts = 0',
        [key],
      )
      if (rows.length === 0) return
      await delay(100, undefined, { signal }).catch(() => {})
    }
  }
}

/** Builds together, and the lists of each tag. */
function groupKeys(keys: readonly Key[]): Map<string, Key[]> {
  const groups = new Map<string, Key[]>()
  for (const key of keys) {
    const name = key.kind === 'build' ? 'build' : isList(key) ? `tag ${key.tagId}` : null
    if (name === null) continue
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [key])
    else group.push(key)
  }
  return groups
}

function isList(key: Key): key is ListClaim['key'] {
  return key.kind === 'package' || key.kind === 'tagged'
}
