import type { Tx } from './transaction.ts'

/** How a package stands in a tag's list. */
export interface PackageEntry {
  /** Name of a user; default the one who acts. */
  owner?: string | number
  blocked?: boolean
  extraArches?: string | null
}

/** packageListAdd: list and owner, each only if it changes. Makes the package when it is new. */
export async function addPackage(
  tx: Tx,
  tag: string | number,
  name: string,
  entry: PackageEntry = {},
): Promise<number> {
  const tagId = await tx.id('tag', tag)
  const packageId = await tx.idOrNew('package', name)
  const key = { tag_id: tagId, package_id: packageId }
  const old = await tx.current('tag_packages', key)
  const blocked = entry.blocked ?? false
  const arches = entry.extraArches === undefined ? (old?.extra_arches ?? null) : entry.extraArches
  if (!old || old.blocked !== blocked || old.extra_arches !== arches) {
    await tx.revoke('tag_packages', key)
    await tx.create('tag_packages', { ...key, blocked, extra_arches: arches })
  }
  const oldOwner = await tx.current('tag_package_owners', key)
  const owner =
    entry.owner === undefined ? Number(oldOwner?.owner ?? tx.userId) : await tx.id('users', entry.owner)
  if (oldOwner?.owner !== owner) await changeOwner(tx, key, owner)
  await announce(
    tx,
    old ? (blocked && !old.blocked ? 'block' : 'update') : 'add',
    tagId,
    name,
    owner,
    blocked,
    arches,
  )
  return packageId
}

/** packageListBlock. */
export function blockPackage(tx: Tx, tag: string | number, name: string): Promise<number> {
  return addPackage(tx, tag, name, { blocked: true })
}

/** packageListUnblock of a package that this tag blocks itself: its row goes, the parent's shows again. */
export async function unblockPackage(tx: Tx, tag: string | number, name: string): Promise<void> {
  const tagId = await tx.id('tag', tag)
  await tx.revoke('tag_packages', { tag_id: tagId, package_id: await tx.id('package', name) })
  await announce(tx, 'unblock', tagId, name, null, null, null)
}

/** packageListRemove: the list's row goes, the owner's stays (_pkglist_remove). */
export async function removePackage(tx: Tx, tag: string | number, name: string): Promise<void> {
  const tagId = await tx.id('tag', tag)
  await tx.revoke('tag_packages', { tag_id: tagId, package_id: await tx.id('package', name) })
  await announce(tx, 'remove', tagId, name, null, null, null)
}

/** packageListSetOwner. */
export async function setOwner(
  tx: Tx,
  tag: string | number,
  name: string,
  owner: string | number,
): Promise<void> {
  const tagId = await tx.id('tag', tag)
  const ownerId = await tx.id('users', owner)
  await changeOwner(tx, { tag_id: tagId, package_id: await tx.id('package', name) }, ownerId)
  await announce(tx, 'set owner', tagId, name, ownerId, null, null)
}

async function changeOwner(
  tx: Tx,
  key: { tag_id: number; package_id: number },
  owner: number,
): Promise<void> {
  await tx.revoke('tag_package_owners', key)
  await tx.create('tag_package_owners', { ...key, owner })
}

async function announce(
  tx: Tx,
  action: string,
  tagId: number,
  name: string,
  owner: number | null,
  block: boolean | null,
  arches: unknown,
): Promise<void> {
  tx.announce('package.list.change', {
    action,
    tag: await tx.name('tag', tagId),
    package: name,
    owner: owner === null ? null : await tx.name('users', owner),
    block,
    extra_arches: arches,
    force: false,
    update: false,
  })
}
