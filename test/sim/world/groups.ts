import type { Row, Tx } from './transaction.ts'

/** A group's settings in a tag. */
export interface GroupSettings {
  displayName?: string
  description?: string | null
  exported?: boolean
  uservisible?: boolean
  isDefault?: boolean | null
  langonly?: string | null
  biarchonly?: boolean
  blocked?: boolean
}

/** groupListAdd (or groupListBlock with `blocked`). */
export async function addGroup(
  tx: Tx,
  tag: string | number,
  group: string,
  settings: GroupSettings = {},
): Promise<void> {
  const key = { tag_id: await tx.id('tag', tag), group_id: await tx.idOrNew('groups', group) }
  await tx.revoke('group_config', key)
  await tx.create('group_config', {
    ...key,
    blocked: settings.blocked ?? false,
    exported: settings.exported ?? true,
    display_name: settings.displayName ?? group,
    is_default: settings.isDefault ?? null,
    uservisible: settings.uservisible ?? true,
    description: settings.description ?? null,
    langonly: settings.langonly ?? null,
    biarchonly: settings.biarchonly ?? false,
  })
}

/** groupListRemove; its packages and requirements stay. */
export async function removeGroup(tx: Tx, tag: string | number, group: string): Promise<void> {
  await tx.revoke('group_config', { tag_id: await tx.id('tag', tag), group_id: await tx.id('groups', group) })
}

/** groupPackageListAdd (or …Block). */
export async function addGroupPackage(
  tx: Tx,
  tag: string | number,
  group: string,
  name: string,
  settings: {
    type?: string
    basearchonly?: boolean | null
    requires?: string | null
    blocked?: boolean
  } = {},
): Promise<void> {
  const key = await entryKey(tx, tag, group, { package: name })
  await tx.revoke('group_package_listing', key)
  await tx.create('group_package_listing', {
    ...key,
    blocked: settings.blocked ?? false,
    type: settings.type ?? 'mandatory',
    basearchonly: settings.basearchonly ?? null,
    requires: settings.requires ?? null,
  })
}

/** groupPackageListRemove. */
export async function removeGroupPackage(
  tx: Tx,
  tag: string | number,
  group: string,
  name: string,
): Promise<void> {
  await tx.revoke('group_package_listing', await entryKey(tx, tag, group, { package: name }))
}

/** groupReqListAdd (or …Block). */
export async function addGroupReq(
  tx: Tx,
  tag: string | number,
  group: string,
  required: string,
  settings: { type?: string; isMetapkg?: boolean; blocked?: boolean } = {},
): Promise<void> {
  const key = await entryKey(tx, tag, group, { req_id: await tx.idOrNew('groups', required) })
  await tx.revoke('group_req_listing', key)
  await tx.create('group_req_listing', {
    ...key,
    blocked: settings.blocked ?? false,
    type: settings.type ?? 'mandatory',
    is_metapkg: settings.isMetapkg ?? false,
  })
}

/** groupReqListRemove. */
export async function removeGroupReq(
  tx: Tx,
  tag: string | number,
  group: string,
  required: string,
): Promise<void> {
  await tx.revoke(
    'group_req_listing',
    await entryKey(tx, tag, group, { req_id: await tx.id('groups', required) }),
  )
}

async function entryKey(tx: Tx, tag: string | number, group: string, entry: Row): Promise<Row> {
  return { tag_id: await tx.id('tag', tag), group_id: await tx.id('groups', group), ...entry }
}
