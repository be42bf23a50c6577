import type { DecisionPolicy } from '../../staging/decisions.ts'
import { settleBuilds } from './build-clashes.ts'
import { CARRIED_BUILDS, pullBuilds } from './builds.ts'
import type { Ground } from './ground.ts'
import { makeListings } from './listings.ts'
import { assignBuilds, makeBuilds, mapContent } from './make-builds.ts'
import { makeNames, mapNames } from './names.ts'
import { carryDecisions, carryQueue } from './own-records.ts'
import { CarryReport } from './report.ts'
import { pullOwned, type Side } from './sides.ts'
import { makeVersioned, pullVersioned } from './versioned.ts'
import { makeBuildrootParts, makeEvents, makeWork, pullWork } from './work.ts'

export interface CarryOptions {
  /** the database that is replaced, and the one that takes its place, in a transaction of the caller's */
  readonly ground: Ground
  /** of the replaced one */
  readonly side: Side
  /** of the other one: the Koji user that we write as */
  readonly userId: number
  readonly conflicts: { readonly build: DecisionPolicy; readonly tag: DecisionPolicy }
  /** tables whose rows no staging needs, as of the dump */
  readonly isLeftOut: (table: string) => boolean
}

/**
 * Makes in the new database what staging made itself in the one that it replaces: builds with what they hold and were made by, tags with
 * their settings, package lists, taggings in their places, targets, external repos, users, permissions, hosts; what people decided; what
 * was still queued. By natural key; ids stay where they are above the floor. Twice does no harm. Only what is there now comes over,
 * not what was there once (revoked rows), no sessions, no notifications, and no signatures of staging's own on builds of prod's.
 */
export async function carryOver(options: CarryOptions): Promise<CarryReport> {
  const { ground, side, userId, conflicts, isLeftOut } = options
  const report = new CarryReport()
  await ground.forget()
  await pullOwned(ground, side, `kind not in ('build', 'rpm', 'archive', 'package')`)
  await carryDecisions(ground, side, report)
  await mapNames(ground, side)
  await pullVersioned(ground, side)
  await pullBuilds(ground, side)
  const marks = await settleBuilds(ground, side, conflicts.build, report)
  await pullWork(ground, side, CARRIED_BUILDS)
  await makeNames(ground, side, report)
  await mapContent(ground)
  await assignBuilds(ground, side)
  await makeEvents(ground)
  await makeWork(ground, side, isLeftOut, report)
  await makeBuilds(ground, report)
  await makeBuildrootParts(ground, report)
  marks.push(...(await makeVersioned(ground, { policy: conflicts.tag, userId }, report)))
  await makeListings(ground, userId, report)
  await carryQueue(ground, side, marks)
  return report
}
