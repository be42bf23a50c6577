import type { Tx } from './transaction.ts'

/** createUser; status 0 normal, 1 blocked; usertype 0 normal, 1 host, 2 group. Returns the id. */
export async function addUser(
  tx: Tx,
  name: string,
  options: { status?: number; usertype?: number; principal?: string } = {},
): Promise<number> {
  const { id } = await tx.insert('users', {
    name,
    status: options.status ?? 0,
    usertype: options.usertype ?? 0,
  })
  if (options.principal)
    await tx.insert('user_krb_principals', { user_id: id, krb_principal: options.principal })
  return Number(id)
}

/** editUser with a name: no history. */
export async function renameUser(tx: Tx, user: string, name: string): Promise<void> {
  await tx.rows('UPDATE users SET name = $2 WHERE id = $1', [await tx.id('users', user), name])
}

/** addVolume. */
export const addVolume = (tx: Tx, name: string): Promise<number> => tx.idOrNew('volume', name)

/** addBType. */
export const addBType = (tx: Tx, name: string): Promise<number> => tx.idOrNew('btype', name)

/** grantPermission with create: a new permission's name. */
export const addPermission = (tx: Tx, name: string): Promise<number> => tx.idOrNew('permissions', name)

/** addArchiveType. */
export async function addArchiveType(
  tx: Tx,
  name: string,
  description: string,
  extensions: string,
): Promise<number> {
  return Number((await tx.insert('archivetypes', { name, description, extensions })).id)
}

/** A made-up event without any change: what other projects on the same hub do all day. */
export const idleEvent = (tx: Tx): Promise<number> => tx.event()
