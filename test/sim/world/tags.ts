import type { Row, Tx } from './transaction.ts'

/** A tag's settings; what is left out stays, or takes Koji's default. */
export interface TagSettings {
  arches?: string | null
  /** Name of a permission. */
  perm?: string | null
  locked?: boolean
  mavenSupport?: boolean
  mavenIncludeAll?: boolean
}

/** A parent of a tag. */
export interface ParentLink {
  parent: string | number
  priority: number
  maxdepth?: number | null
  intransitive?: boolean
  noconfig?: boolean
  filter?: string
}

/** createTag; a name that a deleted tag had takes that tag's id again. Returns the id. */
export async function addTag(
  tx: Tx,
  name: string,
  options: TagSettings & { parent?: string; extra?: Record<string, unknown> } = {},
): Promise<number> {
  const id = await tx.idOrNew('tag', name)
  if (await tx.current('tag_config', { tag_id: id })) throw new Error(`tag ${name} exists`)
  await tx.create('tag_config', { tag_id: id, ...(await configRow(tx, options)) })
  for (const [key, value] of Object.entries(options.extra ?? {})) {
    await tx.create('tag_extra', { tag_id: id, key, value: JSON.stringify(value) })
  }
  if (options.parent) await setInheritance(tx, id, [{ parent: options.parent, priority: 0 }])
  return id
}

/** createTag with the name of a deleted tag; throws when there never was one. Returns the id, the old one. */
export async function recreateTag(tx: Tx, name: string, settings: TagSettings = {}): Promise<number> {
  await tx.id('tag', name)
  return addTag(tx, name, settings)
}

/** editTag2, settings only: one row revoked, one created, if anything differs. */
export async function editTag(tx: Tx, tag: string | number, settings: TagSettings): Promise<void> {
  const id = await tx.id('tag', tag)
  const old = await tx.current('tag_config', { tag_id: id })
  if (!old) throw new Error(`no tag ${tag}`)
  const wanted = await configRow(tx, settings, old)
  if (Object.entries(wanted).every(([key, value]) => old[key] === value)) return
  await tx.revoke('tag_config', { tag_id: id })
  await tx.create('tag_config', { tag_id: id, ...wanted })
}

async function configRow(tx: Tx, settings: TagSettings, old: Row = {}): Promise<Row> {
  const perm = settings.perm
  return {
    arches: settings.arches === undefined ? (old.arches ?? null) : settings.arches,
    perm_id:
      perm === undefined ? (old.perm_id ?? null) : perm === null ? null : await tx.id('permissions', perm),
    locked: settings.locked ?? old.locked ?? false,
    maven_support: settings.mavenSupport ?? old.maven_support ?? false,
    maven_include_all: settings.mavenIncludeAll ?? old.maven_include_all ?? false,
  }
}

/** editTag2 with a name: no event, no history. */
export async function renameTag(tx: Tx, tag: string | number, name: string): Promise<void> {
  await tx.rows('UPDATE tag SET name = $2 WHERE id = $1', [await tx.id('tag', tag), name])
}

/** deleteTag: revokes, and keeps the name's row (_delete_tag). Nothing is announced. */
export async function deleteTag(tx: Tx, tag: string | number): Promise<void> {
  const id = await tx.id('tag', tag)
  const tables = [
    'tag_config',
    'tag_extra',
    'tag_inheritance',
    'tag_listing',
    'tag_packages',
    'tag_package_owners',
  ]
  tables.push('tag_external_repos', 'group_config', 'group_req_listing', 'group_package_listing')
  for (const table of tables) await tx.revoke(table, { tag_id: id })
  await tx.revoke('tag_inheritance', { parent_id: id })
  await tx.revoke('build_target_config', { build_tag: id })
  await tx.revoke('build_target_config', { dest_tag: id })
}

/** editTag2 with extra: a value of any JSON type. */
export async function setExtra(tx: Tx, tag: string | number, key: string, value: unknown): Promise<void> {
  await putExtra(tx, tag, key, JSON.stringify(value))
}

/** The same with the JSON text as given: numbers that JavaScript cannot hold, or text that is no JSON. */
export async function putExtra(
  tx: Tx,
  tag: string | number,
  key: string,
  text: string | null,
): Promise<void> {
  const id = await tx.id('tag', tag)
  await tx.revoke('tag_extra', { tag_id: id, key })
  await tx.create('tag_extra', { tag_id: id, key, value: text })
}

/** editTag2 with block_extra: hides a parent's value (since 1.23). */
export async function blockExtra(tx: Tx, tag: string | number, key: string): Promise<void> {
  await putExtra(tx, tag, key, null)
}

/** editTag2 with remove_extra. */
export async function removeExtra(tx: Tx, tag: string | number, key: string): Promise<void> {
  await tx.revoke('tag_extra', { tag_id: await tx.id('tag', tag), key })
}

/** setInheritanceData with clear: exactly these parents; unchanged links are rewritten too, as Koji does. */
export async function setInheritance(tx: Tx, tag: string | number, links: ParentLink[]): Promise<void> {
  const id = await tx.id('tag', tag)
  await tx.revoke('tag_inheritance', { tag_id: id })
  for (const link of links) {
    await tx.create('tag_inheritance', {
      tag_id: id,
      parent_id: await tx.id('tag', link.parent),
      priority: link.priority,
      maxdepth: link.maxdepth ?? null,
      intransitive: link.intransitive ?? false,
      noconfig: link.noconfig ?? false,
      pkg_filter: link.filter ?? '',
    })
  }
}
