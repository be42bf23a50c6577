import type { E2eWorld } from '../e2e/world.ts'

/** Address of prod's database, for its owner. */
export async function prodUrl({ prod, asOwner }: E2eWorld): Promise<string> {
  const staging = asOwner[1].replace('staging.database=', '')
  const [row] = await prod.rows('select current_database() as name')
  return staging.replace(/[^/]+$/, String(row?.name))
}

/** Databases beside the running one. */
export async function besideOf(world: E2eWorld): Promise<string[]> {
  const rows = await world.sql<{ name: string }>(
    `select datname as name from pg_database where starts_with(datname, current_database() || '_') order by 1`,
  )
  return rows.map(({ name }) => name)
}
