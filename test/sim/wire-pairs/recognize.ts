import type { Struct, Value } from '../wire-value.ts'
import type { Harvest } from './harvest.ts'

/** Puts the rows that a struct of an answer shows, whatever the call was. */
export function recognize(harvest: Harvest, s: Struct): void {
  if ('creation_event_id' in s && 'version' in s) build(harvest, s)
  if ('payloadhash' in s) rpm(harvest, s)
  if ('sighash' in s && 'rpm_id' in s) harvest.put('rpmsigs', [v(s.rpm_id), v(s.sigkey)], s)
  if ('filename' in s && 'checksum' in s && 'btype_id' in s) archive(harvest, s)
  if ('usertype' in s) user(harvest, s)
  if ('maven_include_all' in s && 'name' in s) tag(harvest, s)
  if ('pkg_filter' in s && 'priority' in s && 'name' in s) inheritance(harvest, s)
  if ('package_id' in s && 'package_name' in s) harvest.name('package', s.package_id, s.package_name)
  if ('package_name' in s && 'blocked' in s) packageEntry(harvest, s, v(s.tag_id))
  if ('merge_mode' in s && 'url' in s) tagRepo(harvest, s)
  if ('ts' in s && 'id' in s && Object.keys(s).length === 2) harvest.event(s.id, s.ts)
  if ('create_event' in s && 'nvr' in s && 'tag_id' in s) {
    harvest.event(s.create_event)
    const row = { build_id: v(s.build_id), tag_id: v(s.tag_id), create_event: v(s.create_event) }
    const shown = harvest.past ? {} : { now: true }
    harvest.put('seen_listing', [row.build_id, row.tag_id, row.create_event], { ...row, ...shown })
  }
}

const v = (value: Value | undefined): Value => value ?? null

function pick(s: Struct, keys: string[]): Struct {
  return Object.fromEntries(keys.filter((key) => key in s).map((key) => [key, v(s[key])]))
}

function build(harvest: Harvest, s: Struct): void {
  const id = v(s.build_id ?? s.id)
  harvest.event(s.creation_event_id, s.creation_ts)
  harvest.event(s.creation_event_id, s.creation_time)
  harvest.name('package', s.package_id, s.package_name)
  harvest.name('users', s.owner_id, s.owner_name)
  harvest.name('users', s.promoter_id, s.promoter_name ?? undefined)
  harvest.name('volume', s.volume_id, s.volume_name)
  harvest.name('content_generator', s.cg_id, s.cg_name ?? undefined)
  harvest.put('build', [id], {
    id,
    pkg_id: v(s.package_id),
    create_event: v(s.creation_event_id),
    owner: v(s.owner_id),
    ...('promoter_id' in s ? { promoter: v(s.promoter_id) } : {}),
    ...pick(s, [
      'version',
      'release',
      'epoch',
      'state',
      'completion_time',
      'promotion_time',
      'start_time',
      'task_id',
    ]),
    ...pick(s, ['draft', 'volume_id', 'cg_id', 'source', 'extra']),
  })
}

function rpm(harvest: Harvest, s: Struct): void {
  const id = v(s.id)
  harvest.name('external_repo', s.external_repo_id, s.external_repo_name)
  harvest.put('rpminfo', [id], {
    ...pick(s, [
      'id',
      'name',
      'version',
      'release',
      'arch',
      'epoch',
      'draft',
      'payloadhash',
      'size',
      'buildtime',
    ]),
    ...pick(s, ['build_id', 'buildroot_id', 'external_repo_id', 'metadata_only', 'extra']),
  })
  if (typeof s.sigkey === 'string') harvest.put('rpmsigs', [id, s.sigkey], { rpm_id: id, sigkey: s.sigkey })
}

function archive(harvest: Harvest, s: Struct): void {
  const id = v(s.id)
  harvest.name('btype', s.btype_id, s.btype)
  harvest.put('archiveinfo', [id], {
    ...pick(s, [
      'id',
      'type_id',
      'btype_id',
      'build_id',
      'buildroot_id',
      'filename',
      'size',
      'checksum',
      'checksum_type',
    ]),
    ...pick(s, ['metadata_only', 'extra']),
  })
  if ('group_id' in s)
    harvest.put('maven_archives', [id], {
      archive_id: id,
      ...pick(s, ['group_id', 'artifact_id', 'version']),
    })
  if ('relpath' in s)
    harvest.put('win_archives', [id], { archive_id: id, ...pick(s, ['relpath', 'platforms', 'flags']) })
  if ('arch' in s) harvest.put('image_archives', [id], { archive_id: id, arch: v(s.arch) })
}

function user(harvest: Harvest, s: Struct): void {
  harvest.put('users', [v(s.id)], pick(s, ['id', 'name', 'status', 'usertype']))
  for (const principal of (s.krb_principals ?? []) as string[]) {
    harvest.put('user_krb_principals', [v(s.id), principal], { user_id: v(s.id), krb_principal: principal })
  }
}

function tag(harvest: Harvest, s: Struct): void {
  const id = v(s.id ?? s.tag_id)
  harvest.name('tag', id, s.name)
  if (harvest.past) return
  harvest.put('seen_config', [id], {
    tag_id: id,
    ...pick(s, ['arches', 'perm_id', 'locked', 'maven_support', 'maven_include_all']),
  })
  if ('owner_id' in s && 'blocked' in s) packageEntry(harvest, { ...s, package_id: 1 }, id)
  for (const [key, value] of Object.entries((s.extra ?? {}) as Struct)) {
    // A pair is [blocked, value], from getTag with blocked.
    const blocked = Array.isArray(value) && value.length === 2 && value[0] === true
    harvest.put('seen_extra', [id, key], { tag_id: id, key, json: blocked ? null : [v(value)] })
  }
}

function inheritance(harvest: Harvest, s: Struct): void {
  const child = v(s.child_id ?? s.tag_id)
  harvest.put('seen_inheritance', [child, v(s.parent_id)], {
    tag_id: child,
    ...pick(s, ['parent_id', 'priority', 'maxdepth', 'intransitive', 'noconfig', 'pkg_filter']),
  })
  harvest.name('tag', s.child_id === undefined ? child : s.parent_id, s.name)
}

function packageEntry(harvest: Harvest, s: Struct, tagId: Value): void {
  if (s.package_id === undefined || tagId === null) return
  const key = [tagId, v(s.package_id)]
  const ids = { tag_id: tagId, package_id: v(s.package_id) }
  harvest.put('seen_packages', key, { ...ids, ...pick(s, ['blocked', 'extra_arches']) })
  if (typeof s.owner_id === 'number') {
    harvest.name('users', s.owner_id, s.owner_name)
    harvest.put('seen_owners', key, { ...ids, owner: s.owner_id })
  }
}

function tagRepo(harvest: Harvest, s: Struct): void {
  harvest.put('seen_repos', [v(s.tag_id), v(s.external_repo_id)], {
    ...pick(s, ['tag_id', 'external_repo_id', 'priority', 'merge_mode', 'arches']),
  })
}
