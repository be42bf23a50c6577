import type { Tx } from './database.ts'

/**
 * Records the packages that staging has already, as a copy of prod has all of them, under prod's ids: they are matched by
 * name, which Koji never changes. So a message's package is known from the first one on, without asking prod, and a listing
 * does not record it in a transaction of its own. Returns how many were not recorded yet.
 */
export async function adoptPackages(
  tx: Tx,
  packages: readonly { readonly id: number; readonly name: string }[],
): Promise<number> {
  const adopted = await tx.query(
    'adopt.packages',
    `insert into staging_sync.owned (kind, prod_id, staging_id, digest)
     select 'package', r.id, p.id, p.name
       from unnest($1::bigint[], $2::text[]) as r(id, name) join package p on p.name = r.name
      where not exists (select 1 from staging_sync.owned o
                         where o.kind = 'package' and (o.prod_id = r.id or o.staging_id = p.id))
      order by r.id
     on conflict do nothing returning 1`,
    [packages.map(({ id }) => id), packages.map(({ name }) => name)],
  )
  return adopted.length
}
