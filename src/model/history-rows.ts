import type { BuildState } from './records.ts'
import type { Timestamp } from './time.ts'

/** What every row of queryHistory (kojihub.py `query_history`) has. */
export interface HistoryBase {
  readonly active: boolean
  readonly createEvent: number
  readonly createTime: Timestamp
  readonly creatorId: number
  readonly creatorName: string
  readonly revokeEvent: number | null
  readonly revokeTime: Timestamp | null
  readonly revokerId: number | null
  readonly revokerName: string | null
}

interface OfTag extends HistoryBase {
  readonly tagId: number
  /** As it is now, also for rows from before a rename. */
  readonly tagName: string
}

export interface TagConfigRow extends OfTag {
  readonly arches: string | null
  readonly permId: number | null
  readonly permName: string | null
  readonly locked: boolean
  readonly mavenSupport: boolean
  readonly mavenIncludeAll: boolean
}

export interface TagExtraRow extends OfTag {
  readonly key: string
  /** The column's JSON text; null is a blocked key. */
  readonly value: string | null
}

export interface TagInheritanceRow extends OfTag {
  readonly parentId: number
  readonly parentName: string
  readonly priority: number
  readonly maxdepth: number | null
  readonly intransitive: boolean
  readonly noconfig: boolean
  readonly pkgFilter: string | null
}

export interface TagPackageRow extends OfTag {
  readonly packageId: number
  readonly packageName: string
  readonly blocked: boolean
  readonly extraArches: string | null
}

export interface TagPackageOwnerRow extends OfTag {
  readonly packageId: number
  readonly packageName: string
  readonly ownerId: number
  readonly ownerName: string
}

/** The build's name, version, release, epoch and state are as of now. */
export interface TagListingRow extends OfTag {
  readonly buildId: number
  readonly packageName: string
  readonly version: string
  readonly release: string
  readonly epoch: number | null
  readonly buildState: BuildState
}

/** Without `arches`: up to 1.35 only getTagExternalRepos has them. */
export interface TagExternalRepoRow extends OfTag {
  readonly externalRepoId: number
  readonly externalRepoName: string
  readonly priority: number
  readonly mergeMode: string
}

interface OfGroup extends OfTag {
  readonly groupId: number
  readonly groupName: string
  readonly blocked: boolean
}

export interface GroupConfigRow extends OfGroup {
  readonly exported: boolean | null
  readonly displayName: string
  readonly isDefault: boolean | null
  readonly uservisible: boolean | null
  readonly description: string | null
  readonly langonly: string | null
  readonly biarchonly: boolean | null
}

export interface GroupPackageRow extends OfGroup {
  readonly package: string
  readonly type: string
  readonly basearchonly: boolean | null
  readonly requires: string | null
}

export interface GroupRequirementRow extends OfGroup {
  readonly requiredId: number
  readonly requiredName: string
  readonly type: string | null
  readonly isMetapkg: boolean
}

export interface TargetConfigRow extends HistoryBase {
  readonly targetId: number
  readonly targetName: string
  readonly buildTagId: number
  readonly buildTagName: string
  readonly destTagId: number
  readonly destTagName: string
}

export interface ExternalRepoConfigRow extends HistoryBase {
  readonly externalRepoId: number
  readonly externalRepoName: string
  readonly url: string
}

/** Koji's versioned tables that are replicated, and their rows. */
export interface HistoryRows {
  readonly tag_config: TagConfigRow
  readonly tag_extra: TagExtraRow
  readonly tag_inheritance: TagInheritanceRow
  readonly tag_packages: TagPackageRow
  readonly tag_package_owners: TagPackageOwnerRow
  readonly tag_listing: TagListingRow
  readonly tag_external_repos: TagExternalRepoRow
  readonly group_config: GroupConfigRow
  readonly group_package_listing: GroupPackageRow
  readonly group_req_listing: GroupRequirementRow
  readonly build_target_config: TargetConfigRow
  readonly external_repo_config: ExternalRepoConfigRow
}

export type HistoryTable = keyof HistoryRows
