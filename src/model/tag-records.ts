import type { Timestamp } from './time.ts'
import type { Value } from './value.ts'

/** One value of a tag's `extra`. `blocked` ones (Koji 1.23+) stop inheritance of the key and have no value. */
export interface TagExtra {
  readonly key: string
  readonly blocked: boolean
  /** The JSON value; null when blocked. */
  readonly value: Value
}

/** A tag's row of listTags, or getTag's answer without its extra. */
export interface ListedTag {
  readonly id: number
  readonly name: string
  /** Blank-separated. */
  readonly arches: string | null
  readonly locked: boolean
  readonly permId: number | null
  readonly permName: string | null
  readonly mavenSupport: boolean
  readonly mavenIncludeAll: boolean
}

export interface Tag extends ListedTag {
  /** Of the tag itself, nothing inherited; sorted by key. */
  readonly extra: readonly TagExtra[]
}

/** A tag that a package is in, as listTags(package=) gives it. */
export interface PackageTag extends ListedTag {
  readonly ownerId: number
  readonly ownerName: string
  readonly blocked: boolean
  readonly extraArches: string | null
}

/** One link of a tag to a parent. */
export interface Inheritance {
  readonly parentId: number
  readonly parentName: string
  readonly priority: number
  readonly maxdepth: number | null
  readonly intransitive: boolean
  readonly noconfig: boolean
  readonly pkgFilter: string | null
}

/** An external repo of a tag. */
export interface TagExternalRepo {
  readonly tagId: number
  readonly tagName: string
  readonly externalRepoId: number
  readonly externalRepoName: string
  readonly url: string
  readonly priority: number
  /** 'koji' for hubs before 1.17. */
  readonly mergeMode: string
  /** Blank-separated; null for all, and for hubs before 1.24. */
  readonly arches: string | null
}

export interface GroupPackage {
  readonly groupId: number
  readonly tagId: number
  readonly package: string
  readonly blocked: boolean
  readonly type: string
  readonly basearchonly: boolean | null
  readonly requires: string | null
}

export interface GroupRequirement {
  readonly groupId: number
  readonly tagId: number
  readonly requiredId: number
  readonly requiredName: string
  readonly blocked: boolean
  readonly type: string | null
  readonly isMetapkg: boolean
}

/**
 * A group of a tag. The hub leaves out the packages and requirements of a *blocked* group (kojihub.py
 * `get_tag_groups`); the history of group_package_listing and group_req_listing has them.
 */
export interface TagGroup {
  readonly groupId: number
  readonly name: string
  readonly tagId: number
  readonly blocked: boolean
  readonly exported: boolean | null
  readonly displayName: string
  readonly isDefault: boolean | null
  readonly uservisible: boolean | null
  readonly description: string | null
  readonly langonly: string | null
  readonly biarchonly: boolean | null
  readonly packages: readonly GroupPackage[]
  readonly requirements: readonly GroupRequirement[]
}

/** A package's entry in a tag. The hub shows only those that have an owner there. */
export interface TagPackage {
  readonly tagId: number
  readonly tagName: string
  readonly packageId: number
  readonly packageName: string
  readonly ownerId: number
  readonly ownerName: string
  readonly blocked: boolean
  /** Blank-separated. */
  readonly extraArches: string | null
}

export interface Target {
  readonly id: number
  readonly name: string
  readonly buildTagId: number
  readonly buildTagName: string
  readonly destTagId: number
  readonly destTagName: string
}

export interface ExternalRepo {
  readonly id: number
  readonly name: string
  readonly url: string
}

/** `usertype` 0 normal, 1 host, 2 group; `status` 0 normal, 1 blocked (USERTYPES, USER_STATUS). */
export interface User {
  readonly id: number
  readonly name: string
  readonly status: number
  readonly usertype: number
}

/** A row that is an id and a name: volume, btype, permission, package, content generator. */
export interface Named {
  readonly id: number
  readonly name: string
}

export type Package = Named
export type Volume = Named
export type BType = Named
export type ContentGenerator = Named

export interface Permission extends Named {
  /** null also for hubs before 1.28. */
  readonly description: string | null
}

export interface ArchiveType extends Named {
  readonly description: string
  /** Blank-separated. */
  readonly extensions: string
  /** null also for hubs before 1.30. */
  readonly compressionType: string | null
}

export interface Event {
  readonly id: number
  readonly time: Timestamp
}
