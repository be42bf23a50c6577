import { openWorld, type ProdWorld } from '../sim/prod-world.ts'

/** Every row version of Koji's tables in a database, and how many rows: equal exactly if nothing was written. */
export async function fingerprint(world: ProdWorld): Promise<Record<string, string>> {
  const tables = await world.rows(
    `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname = 'public' order by 1`,
  )
  const prints = await world.rows(
    tables
      .map(
        ({ name }) => `select '${name}' as name, count(*)::text || ' ' ||
            coalesce(md5(string_agg(xmin::text || ctid::text, ' ' order by ctid)), '') as print from "${name}"`,
      )
      .join(' union all '),
  )
  return Object.fromEntries(prints.map(({ name, print }) => [String(name), String(print)]))
}

/** Both live through the same; the last event of it. */
export async function copyPast(
  prod: ProdWorld,
  stagingUrl: string,
  past: (world: ProdWorld) => Promise<void>,
): Promise<number> {
  await past(prod)
  const copy = await openWorld({ databaseUrl: stagingUrl })
  try {
    await past(copy)
    const [row] = await copy.rows('select max(id) as event from events')
    return Number(row?.event)
  } finally {
    await copy.close()
  }
}
