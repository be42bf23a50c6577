import type {
  ArchiveType,
  BType,
  ContentGenerator,
  Event,
  ExternalRepo,
  Named,
  Package,
  Permission,
  Target,
  User,
  Volume,
} from '../model/tag-records.ts'
import { secondsOfTimestamp, type Timestamp } from '../model/time.ts'
import { Double } from '../model/value.ts'
import { callOf } from './call.ts'
import type { Call } from './hub.ts'
import { int, list, map, member, nullable, record, stamp, text } from './shape.ts'

const target = record<Target>({
  id: member('id', int),
  name: member('name', text),
  buildTagId: member('build_tag', int),
  buildTagName: member('build_tag_name', text),
  destTagId: member('dest_tag', int),
  destTagName: member('dest_tag_name', text),
})

/** By id or name; null if there is none (or no longer). */
export function getBuildTarget(idOrName: number | string): Call<Target | null> {
  return callOf('getBuildTarget', [idOrName], {}, nullable(target))
}

/** All targets, or those that build in or into a tag. */
export function getBuildTargets(
  filter: { readonly buildTag?: number | string; readonly destTag?: number | string } = {},
): Call<readonly Target[]> {
  return callOf(
    'getBuildTargets',
    [],
    { buildTagID: filter.buildTag, destTagID: filter.destTag },
    list(target),
  )
}

const externalRepo = record<ExternalRepo>({
  id: member('id', int),
  name: member('name', text),
  url: member('url', text),
})

/** By id or name; null if there is none (or no longer). */
export function getExternalRepo(idOrName: number | string): Call<ExternalRepo | null> {
  return callOf('getExternalRepo', [idOrName], {}, nullable(externalRepo))
}

export function listExternalRepos(): Call<readonly ExternalRepo[]> {
  return callOf('listExternalRepos', [], {}, list(externalRepo))
}

const user = record<User>({
  id: member('id', int),
  name: member('name', text),
  status: member('status', int),
  usertype: member('usertype', int),
})

/** By id, or by name (never by Kerberos principal, as a plain string would); null if there is none. */
export function getUser(idOrName: number | string): Call<User | null> {
  return callOf('getUser', [typeof idOrName === 'number' ? idOrName : { name: idOrName }], {}, nullable(user))
}

/**
 * Users of one type: 0 normal, 1 host, 2 group. All types at once (`userType=None`) is silently empty before 1.35,
 * so a caller that wants all asks the three.
 */
export function listUsers(usertype: 0 | 1 | 2): Call<readonly User[]> {
  return callOf('listUsers', [], { userType: usertype }, list(user))
}

const NAMED = { id: member('id', int), name: member('name', text) }
const named = record<Named>(NAMED)

export function listVolumes(): Call<readonly Volume[]> {
  return callOf('listVolumes', [], {}, list(named))
}

export function listBTypes(): Call<readonly BType[]> {
  return callOf('listBTypes', [], {}, list(named))
}

const archiveType = record<ArchiveType>({
  ...NAMED,
  description: member('description', text),
  extensions: member('extensions', text),
  compressionType: member('compression_type', nullable(text), null),
})

export function getArchiveTypes(): Call<readonly ArchiveType[]> {
  return callOf('getArchiveTypes', [], {}, list(archiveType))
}

const permission = record<Permission>({
  ...NAMED,
  description: member('description', nullable(text), null),
})

export function getAllPerms(): Call<readonly Permission[]> {
  return callOf('getAllPerms', [], {}, list(permission))
}

/** Content generators that have a user (kojihub.py `list_cgs`); others have no answer anywhere. */
export function listCGs(): Call<readonly ContentGenerator[]> {
  const cgs = map(record({ id: member('id', int) }))
  return callOf('listCGs', [], {}, (value) => [...cgs(value)].map(([name, { id }]) => ({ id, name })))
}

/** By id or name; null if there is none. */
export function getPackage(idOrName: number | string): Call<Package | null> {
  return callOf('getPackage', [idOrName], {}, nullable(named))
}

/** Every package that ever was. */
export function listAllPackages(): Call<readonly Package[]> {
  const row = record<Package>({ id: member('package_id', int), name: member('package_name', text) })
  return callOf('listPackages', [], {}, list(row))
}

const event = record<Event>({ id: member('id', int), time: member('ts', stamp) })

/** An event that does not exist is a fault. */
export function getEvent(id: number): Call<Event> {
  return callOf('getEvent', [id], {}, event)
}

/** The newest event, or the newest before a time: by a few microseconds it may err (kojihub.py `getLastEvent`). */
export function getLastEvent(before?: Timestamp): Call<Event> {
  const seconds = before === undefined ? undefined : new Double(secondsOfTimestamp(before))
  return callOf('getLastEvent', [], { before: seconds }, event)
}

/** 1 in all versions. */
export function getAPIVersion(): Call<number> {
  return callOf('getAPIVersion', [], {}, int)
}

/** For example `1.35.3`. Hubs from 1.23 on; `Hub.version` tells older ones too. */
export function getKojiVersion(): Call<string> {
  return callOf('getKojiVersion', [], {}, text)
}
