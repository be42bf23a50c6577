import type { Call, Hub } from '../hub/hub.ts'
import type { Key } from '../model/key.ts'
import type { Timestamp } from '../model/time.ts'
import type { Queue } from '../queue/queue.ts'
import type { Database } from '../staging/database.ts'
import { numberSetting, readSettings } from '../staging/settings.ts'
import { readCompleted, readGone } from './builds.ts'
import { noteCopiedTops } from './copied-tops.ts'
import { readPromotions } from './drafts.ts'
import { readHistory } from './history.ts'
import { readNames } from './names.ts'
import { REMEMBERED_IDS, readNewest } from './newest.ts'
import { prune } from './overlap.ts'
import { Packages } from './packages.ts'
import { type Limits, type Progress, Run } from './run.ts'
import { checkSentinel, renewSentinel } from './sentinel.ts'
import { readStagingHistory } from './staging-history.ts'
import { openWindow } from './window.ts'

/*
 * Which change of prod is found by what (the sources are files of this folder).
 *
 * | change in prod                                                | found by                                        |
 * | ------------------------------------------------------------- | ----------------------------------------------- |
 * | tag made, edited, deleted; extra, inheritance, groups,        |                                                 |
 * |   external repos of a tag                                     | history                                         |
 * | package listed, blocked, removed; its owner, extra arches     | history                                         |
 * | build tagged, untagged, moved                                 | history                                         |
 * | target made, edited, deleted; external repo likewise, its URL | history                                         |
 * | build completed, failed, canceled                             | builds (completeAfter)                          |
 * | build completed in the past (content generator)               | newest (by id)                                  |
 * | build reset and built anew                                    | builds: its state, until it is completed; then  |
 * |                                                               |   as any completed one                          |
 * | rpms or archives added to a build                             | newest (by id)                                  |
 * | build deleted, with an untagging                              | history (the rows tell the build's state)       |
 * | build deleted or reset, without                               | builds (states): the newest of each state;      |
 * |                                                               |   older ones reconcile only                     |
 * | draft promoted                                                | drafts, where staging has the draft             |
 * | tag, target or external repo renamed                          | names                                           |
 * | `tag_external_repos.arches` alone                             | history (an edit makes a new row)               |
 * | package, permission, volume, btype, archive type, content     |                                                 |
 * |   generator, user added                                       | with the first thing that refers to it          |
 * | signature added (its message was lost)                        | reconcile or scrub only: rpmsigs has no time    |
 * | signature removed, rpm checksums cached                       | reconcile or scrub only                         |
 * | volume of a build moved                                       | reconcile only (no event that can be listed)    |
 * | owner, start time, completion time, source, extra of a build  | reconcile or scrub only                         |
 * | user renamed or disabled                                      | with the next thing that refers to the user     |
 * | settings, lists or listings edited by staging's people        | staging-history: policy decides about them now  |
 * | change visible later than the overlap after it was begun      | a run with a longer overlap; reconcile          |
 */

export interface CatchUpOptions {
  readonly hub: Hub
  readonly database: Database
  readonly queue: Queue
  /** How long a transaction of prod's hub may take to become visible; seen: 5 hours. */
  readonly overlapMs: number
  readonly limits?: Partial<Limits>
}

export interface CatchUpRunOptions {
  /**
   * Read from this event of prod on (not itself), or from this time by prod's clock, instead of from where it was read last.
   * Rows known are not marked again.
   */
  readonly since?: number | Timestamp
  /** Instead of the usual one: once a night a week. */
  readonly overlapMs?: number
  readonly onProgress?: (progress: Progress) => void
  /** keys of each transaction that was committed */
  readonly onMarked?: (keys: readonly Key[]) => void
  /** told after each answer of the hub and each transaction: a long catch-up is no stuck one */
  readonly onTurn?: () => void
}

export interface CatchUpReport {
  /** prod's event up to which its history was read now */
  readonly cursor: number
  /** marks that were made; a key that several pages name is marked by each */
  readonly keys: number
  /** rows of the hub's answers, known ones too */
  readonly rows: number
  /** how long the hub's answers were waited for */
  readonly hubMs: number
}

/** What reports progress, in this order: each when it is read to its end, some before. */
export const SOURCES: readonly string[] = [
  'builds',
  'build-ids',
  'rpm-ids',
  'archive-ids',
  'history',
  'gone-builds',
  'promotions',
  'tag-names',
  'build_target-names',
  'external_repo-names',
  'staging',
]

const LIMITS: Limits = { firstRows: 500, pageRows: 5_000, stateRows: 1_000 }

/**
 * Finds what prod changed since last time, whether or not a message told, and marks its keys; it judges no scope and writes
 * nothing of Koji's. Safe beside itself, on any host. Each source has a cursor of its own, so what was read stays read when a
 * later source fails; the next run reads the rest.
 *
 * Throws SafetyError PROD_WENT_BACK or PROD_CHANGED when prod is not what it was (nothing is marked then), OutageError, StopError,
 * KeyError HUB_ANSWER_INVALID for answers that cannot be right.
 */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #packages = new Packages()

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  async run(signal: AbortSignal, options: CatchUpRunOptions = {}): Promise<CatchUpReport> {
    const { hub, database, queue } = this.#options
    const overlapMs = options.overlapMs ?? this.#options.overlapMs
    const readOne = async <T>(call: Call<T>): Promise<T> => {
      const [answer] = await hub.read([call], { priority: 'sweep', signal })
      options.onTurn?.()
      return answer
    }
    const window = await openWindow(database, readOne, { overlapMs, since: options.since })
    await checkSentinel(database, readOne)
    const settings = await readSettings(database)
    const seedEvent = numberSetting(settings, 'seed_event')
    const run = new Run({
      hub,
      database,
      queue,
      signal,
      now: window.now,
      seedEvent,
      copiedEvent: numberSetting(settings, 'copied_event') ?? seedEvent,
      limits: { ...LIMITS, ...this.#options.limits },
      onProgress: options.onProgress,
      onMarked: options.onMarked,
      onTurn: options.onTurn,
    })
    await noteCopiedTops(run)
    // Builds before the lists that name them: who converges these finds them there.
    await readCompleted(run, window.completeAfter)
    await readNewest(run, { overlapMs, since: window.since })
    await readHistory(run, this.#packages, window.afterEvent)
    await readGone(run)
    await readPromotions(run)
    await readNames(run)
    await readStagingHistory(run)
    await renewSentinel(run)
    await prune(run, REMEMBERED_IDS, overlapMs)
    return { cursor: run.now.id, keys: run.keys, rows: run.rows, hubMs: run.hubMs }
  }
}
