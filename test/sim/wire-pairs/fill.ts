import pg from 'pg'
import { Double, isStruct, type Struct, type Value } from '../wire-value.ts'
import type { Harvest } from './harvest.ts'

/** Plain answers tell the state of now, not since when: such rows are given this old event. */
const sinceLongAgo = 1

/** Rows in force that answers show, for the versioned tables whose history was not captured. */
const shownNow: [seen: string, table: string, key: string[]][] = [
  ['seen_config', 'tag_config', ['tag_id']],
  ['seen_extra', 'tag_extra', ['tag_id', 'key']],
  ['seen_inheritance', 'tag_inheritance', ['tag_id', 'parent_id']],
  ['seen_packages', 'tag_packages', ['tag_id', 'package_id']],
  ['seen_owners', 'tag_package_owners', ['tag_id', 'package_id']],
  ['seen_repos', 'tag_external_repos', ['tag_id', 'external_repo_id']],
]

/** Fills an empty Koji database of 1.35 with what the captured answers show. */
export async function fillDatabase(databaseUrl: string, harvest: Harvest): Promise<void> {
  completeLists(harvest)
  for (const [seen, table, key] of shownNow) completeFromNow(harvest, seen, table, key)
  completeListings(harvest)
  completeTags(harvest)
  completeTypes(harvest)
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    // Answers name only some of the rows that others refer to.
    await client.query('SET session_replication_role = replica')
    await insertEvents(client, harvest)
    await client.query(
      'DELETE FROM permissions; DELETE FROM btype; DELETE FROM archivetypes; DELETE FROM volume',
    )
    await client.query('DELETE FROM external_repo; DELETE FROM channels')
    for (const table of harvest.tables.keys()) {
      if (table === 'events' || table.startsWith('seen_')) continue
      const order = harvest
        .rows(table)
        .sort((a, b) => Number(a.id ?? a.create_event ?? 0) - Number(b.id ?? b.create_event ?? 0))
      for (const row of order) await insert(client, table, row)
    }
  } finally {
    await client.end()
  }
}

function completeFromNow(harvest: Harvest, seen: string, table: string, key: string[]): void {
  const same = (a: Struct, b: Struct) => key.every((name) => a[name] === b[name])
  for (const row of harvest.rows(seen)) {
    if (harvest.rows(table).some((known) => known.active === true && same(known, row))) continue
    const { json, ...columns } = row
    if (table === 'tag_extra') columns.value = json === null ? null : jsonText((json as Value[])[0] as Value)
    harvest.put(table, [...key.map((name) => row[name] as Value), 'now'], {
      ...columns,
      create_event: sinceLongAgo,
      creator_id: 1,
      active: true,
    })
  }
}

/** The last event that the captured history of taggings leaves out. */
const lastUncaptured = 183

/** Taggings that only listTagged showed: in force if it showed them now, else ended in the part of history that was not captured. */
function completeListings(harvest: Harvest): void {
  const known = harvest.rows('tag_listing')
  for (const { now, ...row } of harvest.rows('seen_listing')) {
    if (known.some((k) => ['build_id', 'tag_id', 'create_event'].every((name) => k[name] === row[name])))
      continue
    harvest.event(lastUncaptured)
    const state = now ? { active: true } : { active: null, revoke_event: lastUncaptured, revoker_id: 1 }
    const key = ['seen', row.build_id as Value, row.tag_id as Value, row.create_event as Value]
    harvest.put('tag_listing', key, { ...row, ...state, creator_id: 1 })
  }
}

/** Taggings that listTags of a build showed, without since when. */
function completeTags(harvest: Harvest): void {
  for (const { nvr, tag_id } of harvest.rows('seen_tags')) {
    const build = harvest.rows('build').find((row) => {
      const name = harvest.rows('package').find((known) => known.id === row.pkg_id)?.name
      return `${name}-${row.version}-${row.release}` === nvr
    })
    const ids = { build_id: build?.id as Value, tag_id: tag_id as Value }
    const now = (row: Struct) =>
      row.active === true && row.build_id === ids.build_id && row.tag_id === ids.tag_id
    if (harvest.rows('tag_listing').some(now)) continue
    const row = { ...ids, create_event: lastUncaptured, creator_id: 1, active: true }
    harvest.put('tag_listing', ['tags', ids.build_id, ids.tag_id], row)
  }
}

/** A shown build's package is in the list of its tag, where no answer shows that list and no parent can have it. */
function completeLists(harvest: Harvest): void {
  const heirs = new Set(harvest.rows('seen_inheritance').map((row) => row.tag_id))
  for (const listing of harvest.rows('seen_listing')) {
    const build = harvest.rows('build').find((row) => row.id === listing.build_id)
    const ids = { tag_id: listing.tag_id as Value, package_id: build?.pkg_id as Value }
    const key = [ids.tag_id, ids.package_id]
    if (heirs.has(ids.tag_id) || harvest.tables.get('seen_packages')?.has(key.join('/'))) continue
    harvest.put('seen_packages', key, { ...ids, blocked: false, extra_arches: null })
    harvest.put('seen_owners', key, { ...ids, owner: 1 })
  }
}

/** A build's types follow from its content where getBuildType was not asked. */
function completeTypes(harvest: Harvest): void {
  const ids = new Map(harvest.rows('btype').map((row) => [row.name, row.id]))
  for (const row of harvest.rows('build_types')) row.btype_id = ids.get(row.type as string) as Value
  const add = (build: Value, btype: Value) =>
    harvest.put('build_types', [build, `id ${btype}`], { build_id: build, btype_id: btype })
  const has = (build: Value, btype: Value) =>
    harvest.rows('build_types').some((row) => row.build_id === build && row.btype_id === btype)
  for (const row of harvest.rows('archiveinfo')) {
    if (!has(row.build_id as Value, row.btype_id as Value)) add(row.build_id as Value, row.btype_id as Value)
  }
}

/** Events between known ones get the time of the next known one, less a little. */
async function insertEvents(client: pg.Client, harvest: Harvest): Promise<void> {
  const rows = harvest.rows('events').sort((a, b) => Number(b.id) - Number(a.id))
  let time = 0
  for (const row of rows) {
    if (typeof row.time === 'string') {
      await client.query('INSERT INTO events (id, time) VALUES ($1, $2)', [row.id, row.time])
      time = Date.parse(row.time) / 1000
      continue
    }
    time = typeof row.ts === 'number' ? row.ts : time - 0.001
    await client.query('INSERT INTO events (id, time) VALUES ($1, to_timestamp($2::double precision))', [
      row.id,
      time,
    ])
  }
}

async function insert(client: pg.Client, table: string, row: Struct): Promise<void> {
  const defaults: Record<string, Struct> = {
    users: { status: 0, usertype: 0 },
    rpmsigs: { sighash: '00000000000000000000000000000000' },
    rpminfo: { external_repo_id: 0 },
    host: { user_id: 0 },
  }
  const { type: _, ...full } = { ...defaults[table], ...row }
  const kept = table === 'build_types' ? full : { ...defaults[table], ...row }
  const names = Object.keys(kept).filter((name) => name !== 'build.state')
  const values = names.map((name) => column(kept[name] as Value))
  const places = names.map((_, index) => `$${index + 1}`)
  const quoted = names.map((name) => `"${name}"`)
  await client.query(`INSERT INTO ${table} (${quoted.join(', ')}) VALUES (${places.join(', ')})`, values)
}

function column(value: Value): unknown {
  if (value instanceof Double) return value.value
  if (Array.isArray(value) || isStruct(value)) return jsonText(value)
  return value
}

/** JSON text that decodes to exactly this value. */
function jsonText(value: Value): string {
  if (value instanceof Double) return Number.isInteger(value.value) ? `${value.value}.0` : String(value.value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map(jsonText).join(', ')}]`
  if (isStruct(value)) {
    return `{${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)}: ${jsonText(item)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value)
}
