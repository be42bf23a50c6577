import { KeyError } from '../errors.ts'
import { listBuilds } from '../hub/calls-build.ts'
import { ascending } from '../hub/pages.ts'
import type { Key } from '../model/key.ts'
import { BUILD_STATE, type ListedBuild } from '../model/records.ts'
import { secondsOfTimestamp, type Timestamp, timestampOfSeconds } from '../model/time.ts'
import { advanceCursor } from '../staging/cursor.ts'
import type { Tx } from '../staging/database.ts'
import { recordHandled } from '../staging/handled.ts'
import { withoutCopiedBuilds } from './copied.ts'
import { newDifferences } from './differences.ts'
import type { Run } from './run.ts'
import { buildKey, compareStates } from './staging-builds.ts'

/** How far `listBuilds(completeAfter)` was read: prod's last event then, and its time. */
export const BUILDS_CURSOR = 'builds'

/**
 * Builds that were completed, failed or canceled after a time. completion_time is the start of the completing transaction
 * (kojihub.py complete_build), so the cursor is prod's clock and not the last build's time, which may also be any (content
 * generators, setBuildTimestamp).
 */
export async function readCompleted(run: Run, after: Timestamp): Promise<void> {
  const pages = ascending<ListedBuild, Timestamp>({
    after,
    limit: run.limits.pageRows,
    read: async (completeAfter, limit) => {
      const [builds] = await run.read([
        listBuilds({ completeAfter }, { order: 'completion_time,build_id', limit }),
      ])
      return builds
    },
    at: completionOf,
    below: (time) => timestampOfSeconds(secondsOfTimestamp(time) - 1e-6),
  })
  const { id: event, time } = run.now
  for await (const page of pages) {
    await run.commit(
      'builds',
      page.rows.length,
      (tx) => handleBuilds(tx, page.rows, run.copiedEvent),
      page.last ? (tx) => advanceCursor(tx, BUILDS_CURSOR, { event, time }) : undefined,
    )
  }
}

/** Throws KeyError HUB_ANSWER_INVALID: only BUILDING builds have none, and none of these was asked for. */
function completionOf(build: ListedBuild): Timestamp {
  if (build.completionTime !== null) return build.completionTime
  const text = `the hub's answer to listBuilds(completeAfter) has build ${build.id} without a completion time`
  throw new KeyError('HUB_ANSWER_INVALID', text, { detail: { method: 'listBuilds', buildId: build.id } })
}

/** The keys of builds that were not handled in this state. A BUILDING one is nothing yet, and found when it is something. */
export async function handleBuilds(
  tx: Tx,
  builds: readonly ListedBuild[],
  copiedEvent: number | null,
): Promise<Key[]> {
  const found = (await withoutCopiedBuilds(tx, builds, copiedEvent))
    .filter((build) => build.state !== BUILD_STATE.building)
    .map((build) => ({
      table: 'build',
      key: JSON.stringify([build.id, build.state, build.completionTime]),
      createEvent: build.creationEvent,
      revokeEvent: null,
      mark: buildKey(build.id),
    }))
  return (await recordHandled(tx, found)).map((row) => row.mark)
}

/**
 * Deleted and reset builds. Neither has an event or a new completion time (kojihub.py delete_build, reset_build), so the
 * newest ones of each state are compared with what staging has. One that was reset may be under way again (recycle_build):
 * then it is BUILDING, as few are.
 */
export async function readGone(run: Run): Promise<void> {
  const newest = { order: '-build_id', limit: run.limits.stateRows }
  const [deleted, canceled, building] = await run.read([
    listBuilds({ state: BUILD_STATE.deleted }, newest),
    listBuilds({ state: BUILD_STATE.canceled }, newest),
    listBuilds({ state: BUILD_STATE.building }, newest),
  ])
  const builds = [...deleted, ...canceled, ...building]
  const { differences, equal } = await compareStates(run.database, builds, run.seedEvent)
  await run.commit('gone-builds', builds.length, (tx) =>
    newDifferences(tx, 'build-state', differences, equal),
  )
}
