import type { Catalog } from '../staging/catalog.ts'
import type { ResetReport } from './report.ts'
import { disableHosts, openHosts } from './reset-hosts.ts'
import { allowUsers, revokeGrants } from './reset-people.ts'
import type { PlaceBuilds } from './reset-placement.ts'
import { emptyQueues, forgetPasswords, rewritePrincipals } from './reset-secrets.ts'
import { type RewriteTags, rewriteTags } from './reset-tags.ts'
import { addChannels, cancelBuilds, cancelTasks, endRepos, rewriteRepos } from './reset-work.ts'
import type { Session } from './session.ts'

/** A user of staging's own: who composes, who administers, what a robot is called there. */
export interface SeedUser {
  readonly name: string
  readonly permissions: readonly string[]
  readonly contentGenerators: readonly string[]
  readonly principals: readonly string[]
}

/** A builder of staging's. */
export interface SeedHost {
  readonly name: string
  readonly arches: readonly string[]
  readonly channels: readonly string[]
  readonly capacity: number
  readonly principals: readonly string[]
}

/** What must be otherwise in staging than in prod's dump. */
export interface Wishes {
  readonly channels: readonly string[]
  /** true: prod's permissions, groups and content generators' users stay */
  readonly keepGrants: boolean
  readonly users: readonly SeedUser[]
  readonly hosts: readonly SeedHost[]
  /** regular expressions; the first that is found in a principal counts; one that none is found in is removed */
  readonly principals: readonly { readonly match: string; readonly replace: string }[]
  readonly repoUrls: readonly { readonly match: string; readonly replace: string }[]
  readonly tagRewrite: RewriteTags
  readonly placeBuilds: PlaceBuilds
}

/** What the parts of a reset work with. */
export interface ResetContext {
  readonly session: Session
  readonly catalog: Catalog
  readonly wishes: Wishes
  readonly report: ResetReport
  /** the Koji user that rows are created by */
  readonly userId: number
  /** one event for all that is reset, above all of prod's */
  readonly event: number
}

/**
 * Makes a staging of what prod's dump holds. In the caller's transaction: all of it or nothing. Tables that the schema does not
 * have (Koji 1.21 to HEAD) are passed over.
 */
export async function resetAll(options: Omit<ResetContext, 'event'>): Promise<void> {
  const [event] = await options.session.query<{ id: number }>(
    'seed.event',
    'insert into events (time) values (clock_timestamp()) returning id',
  )
  const context: ResetContext = { ...options, event: (event as { id: number }).id }
  await emptyQueues(context)
  await forgetPasswords(context)
  await rewritePrincipals(context)
  await cancelTasks(context)
  await cancelBuilds(context)
  await endRepos(context)
  await addChannels(context)
  await revokeGrants(context)
  await allowUsers(context)
  await openHosts(context)
  await disableHosts(context)
  await rewriteRepos(context)
  await rewriteTags(context)
}
