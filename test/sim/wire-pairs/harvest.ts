import { Double, isStruct, type Struct, type Value } from '../wire-value.ts'
import type { WirePair } from './pairs.ts'
import { recognize } from './recognize.ts'

/** Rows of a database, by table and natural key. */
export class Harvest {
  readonly tables = new Map<string, Map<string, Struct>>()
  /** The answer that is being read shows a past event, not the state of now. */
  past = false

  /** Adds what is known of a row; later answers complete earlier ones. */
  put(table: string, key: Value[], row: Struct): void {
    const rows = this.tables.get(table) ?? new Map<string, Struct>()
    this.tables.set(table, rows)
    const id = key.join('/')
    const known = Object.entries(row).filter(([, value]) => value !== undefined)
    rows.set(id, { ...rows.get(id), ...Object.fromEntries(known) })
  }

  /** A row of a table of names. */
  name(table: string, id: Value | undefined, name: Value | undefined): void {
    if (id !== null && id !== undefined && name !== undefined) this.put(table, [id], { id, name })
  }

  /** An event with its time, if that is known: in seconds, or as text. */
  event(id: Value | undefined, time?: Value | undefined): void {
    if (typeof id !== 'number') return
    this.put('events', [id], {
      id,
      ...(time instanceof Double ? { ts: time.value } : typeof time === 'string' ? { time } : {}),
    })
  }

  rows(table: string): Struct[] {
    return [...(this.tables.get(table)?.values() ?? [])]
  }
}

/** The database content that stands behind the captured answers, as far as they show it. */
export function harvestPairs(pairs: WirePair[]): Harvest {
  const harvest = new Harvest()
  for (const pair of pairs) {
    harvest.past = pair.named.event !== undefined
    byRequest(harvest, pair)
    walk(harvest, pair, pair.answer)
  }
  return harvest
}

function walk(harvest: Harvest, pair: WirePair, value: Value): void {
  if (Array.isArray(value)) for (const item of value) walk(harvest, pair, item)
  if (!isStruct(value)) return
  recognize(harvest, value)
  // Extra is free form; it holds no rows.
  for (const [key, item] of Object.entries(value)) if (key !== 'extra') walk(harvest, pair, item)
}

/** What only the request tells: whose checksums, whose components, which table's names. */
function byRequest(harvest: Harvest, pair: WirePair): void {
  const { method, named, params, answer } = pair
  const list = (Array.isArray(answer) ? answer : []) as Struct[]
  const names: Record<string, string> = { listVolumes: 'volume', listBTypes: 'btype' }
  const whole: Record<string, string> = { getAllPerms: 'permissions', getArchiveTypes: 'archivetypes' }
  if (names[method]) for (const row of list) harvest.name(names[method], row.id, row.name)
  if (whole[method]) for (const row of list) harvest.put(whole[method], [row.id as Value], row)
  if (method === 'queryHistory' && isStruct(answer)) {
    for (const [table, rows] of Object.entries(answer))
      if (Array.isArray(rows)) history(harvest, table, rows as Struct[])
  }
  if (method === 'getRPMChecksums') checksums(harvest, params[0] as Value, answer as Struct)
  if (named.imageID !== undefined) {
    const table =
      method === 'listRPMs' ? ['archive_rpm_components', 'rpm_id'] : ['archive_components', 'component_id']
    for (const row of list) {
      const key = [named.imageID as Value, row.id as Value]
      harvest.put(table[0] as string, key, {
        archive_id: key[0] as Value,
        [table[1] as string]: key[1] as Value,
      })
    }
  }
  if (method === 'listTags' && typeof named.build === 'string') {
    for (const row of list)
      harvest.put('seen_tags', [named.build, row.id as Value], { nvr: named.build, tag_id: row.id as Value })
  }
  const typed: Record<string, string> = {
    getMavenBuild: 'maven_builds',
    getWinBuild: 'win_builds',
    getImageBuild: 'image_builds',
  }
  if (typed[method] && isStruct(answer)) harvest.put(typed[method], [answer.build_id as Value], answer)
  if (method === 'getBuildType' && isStruct(answer)) {
    if (isStruct(answer.image)) harvest.put('image_builds', [params[0] as Value], answer.image)
    for (const type of Object.keys(answer))
      harvest.put('build_types', [params[0] as Value, type], { build_id: params[0] as Value, type })
  }
}

function checksums(harvest: Harvest, rpm: Value, answer: Struct): void {
  for (const [sigkey, sums] of Object.entries(answer) as [string, Struct][]) {
    for (const [type, checksum] of Object.entries(sums) as [string, Value][]) {
      const number = ['md5', 'sha1', 'sha256'].indexOf(type)
      harvest.put('rpm_checksum', [rpm, sigkey, number], {
        rpm_id: rpm,
        sigkey,
        checksum,
        checksum_type: number,
      })
    }
  }
}

const nameTables: Record<string, [table: string, idColumn: string]> = {
  'tag.name': ['tag', 'tag_id'],
  'parent.name': ['tag', 'parent_id'],
  'build_tag.name': ['tag', 'build_tag'],
  'dest_tag.name': ['tag', 'dest_tag'],
  'user.name': ['users', 'user_id'],
  'owner.name': ['users', 'owner'],
  'permission.name': ['permissions', 'perm_id'],
  'build_target.name': ['build_target', 'build_target_id'],
  'external_repo.name': ['external_repo', 'external_repo_id'],
  'package.name': ['package', 'package_id'],
  'host.name': ['host', 'host_id'],
  'channels.name': ['channels', 'channel_id'],
  'content_generator.name': ['content_generator', 'cg_id'],
  'req.name': ['groups', 'req_id'],
}

function history(harvest: Harvest, table: string, rows: Struct[]): void {
  for (const row of rows) {
    harvest.event(row.create_event, row.create_ts)
    harvest.event(row.revoke_event, row.revoke_ts)
    harvest.name('users', row.creator_id, row.creator_name)
    const columns: Struct = {}
    for (const [key, value] of Object.entries(row) as [string, Value][]) {
      const names = nameTables[key]
      if (names && value !== null) harvest.name(names[0], row[names[1]], value)
      else if (key === 'group.name') {
        harvest.name(table === 'user_groups' ? 'users' : 'groups', row.group_id, value)
      } else if (!key.includes('.') && !key.startsWith('_') && !/_ts$|^(creator|revoker)_name$/.test(key)) {
        columns[key] = value
      }
    }
    if (table === 'tag_listing')
      for (const key of ['name', 'version', 'release', 'epoch']) delete columns[key]
    const key = Object.keys(columns)
      .sort()
      .filter((name) => name !== 'active' && !/^revoke/.test(name))
    harvest.put(
      table,
      key.map((name) => JSON.stringify(columns[name] instanceof Double ? 0 : columns[name])),
      columns,
    )
  }
}
