import { KeyError } from '../errors.ts'
import {
  type Archive,
  type BuildState,
  CHECKSUM_TYPES,
  type ChecksumType,
  type Rpm,
  type RpmChecksum,
  type RpmSig,
  type TaggedBuild,
  type TaggedRpm,
} from '../model/records.ts'
import type { Value } from '../model/value.ts'
import { callOf, type QueryOpts, queryOptsOf } from './call.ts'
import type { Call } from './hub.ts'
import {
  bool,
  int,
  int64,
  json,
  list,
  type Member,
  map,
  member,
  nullable,
  oneOf,
  pair,
  type Reader,
  record,
  text,
} from './shape.ts'

const buildIdOfRpm = member('build_id', nullable(int))

const rpm = record<Rpm>({
  id: member('id', int),
  buildId: buildIdOfRpm,
  name: member('name', text),
  version: member('version', text),
  release: member('release', text),
  epoch: member('epoch', nullable(int)),
  arch: member('arch', text),
  draft: (struct) => member('draft', nullable(bool), buildIdOfRpm(struct) === null ? null : false)(struct),
  payloadhash: member('payloadhash', text),
  size: member('size', int64),
  buildtime: member('buildtime', int64),
  externalRepoId: member('external_repo_id', int),
  externalRepoName: member('external_repo_name', text),
  metadataOnly: member('metadata_only', bool),
  extra: member('extra', json),
})

/** The rpms of a build, or those that an image archive contains (external ones too), or all. */
export type RpmFilter = { readonly buildId?: number; readonly imageId?: number }

/** Orders: `id`. */
export function listRPMs(filter: RpmFilter, queryOpts?: QueryOpts): Call<readonly Rpm[]> {
  const kwargs = { buildID: filter.buildId, imageID: filter.imageId, queryOpts: queryOptsOf(queryOpts) }
  return callOf('listRPMs', [], kwargs, list(rpm))
}

const rpmSig = record<RpmSig>({
  rpmId: member('rpm_id', int),
  sigkey: member('sigkey', text),
  sighash: member('sighash', text),
})

export function queryRPMSigs(
  filter: { readonly rpmId?: number; readonly sigkey?: string },
  queryOpts?: QueryOpts,
): Call<readonly RpmSig[]> {
  const kwargs = { rpm_id: filter.rpmId, sigkey: filter.sigkey, queryOpts: queryOptsOf(queryOpts) }
  return callOf('queryRPMSigs', [], kwargs, list(rpmSig))
}

/**
 * The checksums that the hub has cached, all types and sigkeys; 'unsupported' for hubs before 1.32.
 * `cacheonly` is what keeps the call from writing (kojihub.py `getRPMChecksums`); the client sends it only to a hub
 * whose `_listapi` names the argument. An rpm that does not exist is a fault.
 */
export function getRPMChecksums(rpmId: number): Call<readonly RpmChecksum[] | 'unsupported'> {
  const bySigkey = map(map(nullable(text)))
  const reader: Reader<readonly RpmChecksum[]> = (value) =>
    [...bySigkey(value)].flatMap(([sigkey, byType]) =>
      [...byType].flatMap(([type, checksum]) =>
        checksum === null ? [] : [{ rpmId, sigkey, checksumType: checksumTypeOf(type), checksum }],
      ),
    )
  const kwargs = { checksum_types: CHECKSUM_TYPES, cacheonly: true }
  return callOf<readonly RpmChecksum[] | 'unsupported'>('getRPMChecksums', [rpmId], kwargs, reader, {
    unsupported: () => 'unsupported',
  })
}

function checksumTypeOf(name: string): ChecksumType {
  const found = CHECKSUM_TYPES.find((type) => type === name)
  if (found !== undefined) return found
  throw new KeyError('HUB_ANSWER_INVALID', `getRPMChecksums answered an unknown checksum type ${name}`, {
    detail: { method: 'getRPMChecksums', path: name },
  })
}

const archiveMembers = {
  id: member('id', int),
  buildId: member('build_id', int),
  btypeId: member('btype_id', int),
  btype: member('btype', text),
  typeId: member('type_id', int),
  typeName: member('type_name', text),
  typeDescription: member('type_description', text),
  typeExtensions: member('type_extensions', text),
  typeCompression: member('compression_type', nullable(text), null),
  filename: member('filename', text),
  size: member('size', int64),
  checksum: member('checksum', text),
  checksumType: member('checksum_type', int),
  metadataOnly: member('metadata_only', bool),
  extra: member('extra', json),
}

const maven = record<NonNullable<Archive['maven']>>({
  groupId: member('group_id', text),
  artifactId: member('artifact_id', text),
  version: member('version', text),
})
const win = record<NonNullable<Archive['win']>>({
  relpath: member('relpath', text),
  platforms: member('platforms', text),
  flags: member('flags', nullable(text)),
})
const image = record<NonNullable<Archive['image']>>({ arch: member('arch', text) })
const none: Member<null> = () => null

/** Readers of archives by the type that was asked for. */
const ARCHIVES = {
  all: record<Archive>({ ...archiveMembers, maven: none, win: none, image: none }),
  maven: record<Archive>({ ...archiveMembers, maven, win: none, image: none }),
  win: record<Archive>({ ...archiveMembers, maven: none, win, image: none }),
  image: record<Archive>({ ...archiveMembers, maven: none, win: none, image }),
}

export interface ArchiveFilter {
  readonly buildId?: number
  /** Archives that this archive contains. */
  readonly imageId?: number
  /**
   * A btype's name. `maven`, `win` and `image` inner-join that type's table and bring its columns: only archives
   * with a row there; others select by the archive's btype.
   */
  readonly type?: string
}

/** Orders: `id`. */
export function listArchives(filter: ArchiveFilter, queryOpts?: QueryOpts): Call<readonly Archive[]> {
  const { buildId, imageId, type } = filter
  const kwargs: { [name: string]: Value | undefined } = {
    buildID: buildId,
    imageID: imageId,
    type,
    queryOpts: queryOptsOf(queryOpts),
  }
  const typed = type === 'maven' || type === 'win' || type === 'image' ? type : 'all'
  return callOf('listArchives', [], kwargs, list(ARCHIVES[typed]))
}

const taggedRpm = record<TaggedRpm>({
  id: member('id', int),
  buildId: member('build_id', int),
  name: member('name', text),
  version: member('version', text),
  release: member('release', text),
  epoch: member('epoch', nullable(int)),
  arch: member('arch', text),
  payloadhash: member('payloadhash', text),
  size: member('size', int64),
  buildtime: member('buildtime', int64),
  sigkey: member('sigkey', nullable(text), null),
})

const taggedBuild = record<TaggedBuild>({
  buildId: member('build_id', int),
  tagId: member('tag_id', int),
  tagName: member('tag_name', text),
  packageId: member('package_id', int),
  packageName: member('package_name', text),
  version: member('version', text),
  release: member('release', text),
  epoch: member('epoch', nullable(int)),
  state: member<BuildState>('state', oneOf(0, 1, 2, 3, 4)),
  createEvent: member('create_event', nullable(int), null),
})

/** The rpms and builds of a tag itself, all builds of a package and not only the latest. */
export function listTaggedRPMS(
  tag: number | string,
  options: { readonly rpmsigs: boolean; readonly package?: string },
): Call<readonly [readonly TaggedRpm[], readonly TaggedBuild[]]> {
  const kwargs = {
    latest: false,
    inherit: false,
    rpmsigs: options.rpmsigs,
    package: options.package,
    extra: false,
  }
  return callOf('listTaggedRPMS', [tag], kwargs, pair(list(taggedRpm), list(taggedBuild)), {
    lacking: { extra: 'drop' },
  })
}
