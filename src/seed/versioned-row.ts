import type { ResetContext } from './reset.ts'

type Context = Pick<ResetContext, 'session' | 'catalog' | 'event' | 'userId'>

/** Ends active rows of a versioned table; `condition` is SQL with values from $3 on. Rows. */
export function revokeRows(
  { session, event, userId }: Context,
  table: string,
  condition: string,
  values: readonly unknown[] = [],
): Promise<number> {
  return session.change(
    `seed.revoke.${table}`,
    `update ${table} set active = null, revoke_event = $1::int, revoker_id = $2::int where active and ${condition}`,
    [event, userId, ...values],
  )
}

/** Makes an active row of a versioned table; columns that the schema lacks are left out. */
export async function createRow(
  { session, catalog, event, userId }: Context,
  table: string,
  row: Readonly<Record<string, unknown>>,
): Promise<void> {
  const whole: Record<string, unknown> = { ...row, create_event: event, creator_id: userId, active: true }
  const names = Object.keys(whole).filter((name) => catalog.has(table, name))
  await session.change(
    `seed.create.${table}`,
    `insert into ${table} (${names.join(', ')}) values (${names.map((_, index) => `$${index + 1}`).join(', ')})`,
    names.map((name) => whole[name]),
  )
}
