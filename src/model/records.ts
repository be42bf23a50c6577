import type { Timestamp } from './time.ts'
import type { Value } from './value.ts'

/*
 * What prod's hub says about a thing, normalised: one spelling for all versions from 1.21 on, times as `Timestamp`,
 * nil as null. Ids are prod's. Names beside ids are as of the answer. A member that an older hub lacks has the value
 * that the newer schema gives to old rows (said at the member). The tag side is in `tag-records.ts`, the change log
 * in `history-rows.ts`.
 */

/** An int column of 64 bits: a bigint only where a number would round it. */
export type Int64 = number | bigint

/** BUILD_STATES of koji/__init__.py. */
export const BUILD_STATE = { building: 0, complete: 1, deleted: 2, failed: 3, canceled: 4 } as const
export type BuildState = (typeof BUILD_STATE)[keyof typeof BUILD_STATE]

/** A build as listBuilds gives it: getBuild's without the content generator. */
export interface ListedBuild {
  readonly id: number
  readonly packageId: number
  readonly packageName: string
  readonly version: string
  readonly release: string
  readonly epoch: number | null
  /** false for hubs before 1.34, which know no drafts. */
  readonly draft: boolean
  readonly state: BuildState
  readonly startTime: Timestamp | null
  /** null exactly while BUILDING. */
  readonly completionTime: Timestamp | null
  /** `build.create_event` and its time; a recycled build gets new ones. */
  readonly creationEvent: number
  readonly creationTime: Timestamp
  readonly ownerId: number
  readonly ownerName: string
  readonly promoterId: number | null
  readonly promoterName: string | null
  readonly promotionTime: Timestamp | null
  readonly source: string | null
  /** JSON; null, or any value that JSON can hold. */
  readonly extra: Value
  readonly volumeId: number
  readonly volumeName: string
  readonly taskId: number | null
}

export interface Build extends ListedBuild {
  readonly cgId: number | null
  readonly cgName: string | null
}

export interface Rpm {
  readonly id: number
  /** null for external rpms. */
  readonly buildId: number | null
  readonly name: string
  readonly version: string
  readonly release: string
  readonly epoch: number | null
  readonly arch: string
  /** null for external rpms; false for others of hubs before 1.34. */
  readonly draft: boolean | null
  /** sigmd5 in hex. */
  readonly payloadhash: string
  readonly size: Int64
  /** Seconds since 1970, from the rpm's header. */
  readonly buildtime: Int64
  /** 0 is INTERNAL: not external. */
  readonly externalRepoId: number
  readonly externalRepoName: string
  readonly metadataOnly: boolean
  readonly extra: Value
}

/** `sigkey` is '' for the unsigned header, else 8 hex digits; `sighash` is the md5 of the header. */
export interface RpmSig {
  readonly rpmId: number
  readonly sigkey: string
  readonly sighash: string
}

/** A cached checksum of the rpm as signed with `sigkey`. Hubs from 1.32 on. */
export interface RpmChecksum {
  readonly rpmId: number
  readonly sigkey: string
  /** CHECKSUM_TYPES of koji/__init__.py. */
  readonly checksumType: ChecksumType
  readonly checksum: string
}

export const CHECKSUM_TYPES = ['md5', 'sha1', 'sha256'] as const
/** Its number in Koji's tables is its index in `CHECKSUM_TYPES`. */
export type ChecksumType = (typeof CHECKSUM_TYPES)[number]

/** An rpm as listTaggedRPMS gives it; `sigkey` (and one row per key) only with rpmsigs. */
export interface TaggedRpm {
  readonly id: number
  readonly buildId: number
  readonly name: string
  readonly version: string
  readonly release: string
  readonly epoch: number | null
  readonly arch: string
  readonly payloadhash: string
  readonly size: Int64
  readonly buildtime: Int64
  /** null where signatures were not asked for or the rpm has none. */
  readonly sigkey: string | null
}

/** A build in a tag as listTaggedRPMS gives it. */
export interface TaggedBuild {
  readonly buildId: number
  readonly tagId: number
  readonly tagName: string
  readonly packageId: number
  readonly packageName: string
  readonly version: string
  readonly release: string
  readonly epoch: number | null
  readonly state: BuildState
  /** The tagging's `tag_listing.create_event`; null for hubs that do not say it (1.21). */
  readonly createEvent: number | null
}

export interface MavenPart {
  readonly groupId: string
  readonly artifactId: string
  readonly version: string
}

export interface WinPart {
  readonly relpath: string
  readonly platforms: string
  readonly flags: string | null
}

export interface ImagePart {
  readonly arch: string
}

export interface Archive {
  readonly id: number
  readonly buildId: number
  readonly btypeId: number
  readonly btype: string
  readonly typeId: number
  readonly typeName: string
  readonly typeDescription: string
  /** Blank-separated. */
  readonly typeExtensions: string
  /** null also for hubs before 1.30. */
  readonly typeCompression: string | null
  readonly filename: string
  readonly size: Int64
  readonly checksum: string
  /** Index of CHECKSUM_TYPES. */
  readonly checksumType: number
  readonly metadataOnly: boolean
  readonly extra: Value
  /** The row of maven_archives, win_archives, image_archives: set only if listArchives was asked for that type. */
  readonly maven: MavenPart | null
  readonly win: WinPart | null
  readonly image: ImagePart | null
}

/**
 * btype name to type info, as getBuildType gives it: for maven, win and image the row of their table as a struct (or
 * null), for others `extra.typeinfo[btype]`, any JSON value. The names are those of build_types, and of the legacy
 * tables.
 */
export type BuildTypes = ReadonlyMap<string, Value>

export interface MavenBuild {
  readonly buildId: number
  readonly groupId: string
  readonly artifactId: string
  readonly version: string
}

export interface WinBuild {
  readonly buildId: number
  readonly platform: string
}

export interface ImageBuild {
  readonly buildId: number
}
