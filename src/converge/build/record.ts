import { KeyError } from '../../errors.ts'
import type { Tx } from '../../staging/database.ts'
import { formatBase } from './base.ts'
import { changeOf, type TableChange } from './diff.ts'
import { keysOf, type Look } from './look.ts'
import type { ProdBuild } from './observe.ts'

/**
 * Records in the applying transaction what of staging is prod's: the build with what was applied to it, its rpms and archives, the
 * signing keys. `changes`: what was written. `event`: the row's create_event. Throws KeyError OWNED_TWICE.
 */
export async function recordBuild(
  tx: Tx,
  prod: ProdBuild,
  look: Look,
  written: { readonly changes: readonly TableChange[]; readonly event: number },
): Promise<void> {
  const stagingId = look.wanted.build[0]?.id as number
  const base = { event: written.event, prodEvent: prod.build.creationEvent, cells: look.base }
  const left = leftOut(look, written.changes)
  const owned = [
    { kind: 'build', prodId: prod.build.id, stagingId, digest: formatBase(base) },
    ...prod.rpms.map(({ rpm }, i) => ({
      kind: 'rpm',
      prodId: rpm.id,
      stagingId: look.wanted.rpminfo[i]?.id as number,
      digest: null,
    })),
    ...prod.archives.map(({ archive }, i) => ({
      kind: 'archive',
      prodId: archive.id,
      stagingId: look.wanted.archiveinfo[i]?.id as number,
      digest: null,
    })),
  ].filter(({ kind, stagingId: id }) => kind !== 'rpm' || !left.has(id))
  if (look.present !== null) await forgetOthers(tx, owned, written.changes)
  const rows = [
    owned.map(({ kind }) => kind),
    owned.map(({ prodId }) => prodId),
    owned.map(({ stagingId: id }) => id),
    owned.map(({ digest }) => digest),
  ]
  const [twice] = await tx.query<{ kind: string; staging_id: number; prod_id: number }>(
    'build.record',
    `with r as (select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as r(kind, prod_id, staging_id, digest)),
          twice as (select o.kind, o.staging_id, o.prod_id from r join staging_sync.owned o using (kind, staging_id)
                     where o.prod_id <> r.prod_id),
          keys as (insert into staging_sync.sigkey (sigkey) select unnest($5::text[]) on conflict do nothing),
          recorded as (
            insert into staging_sync.owned as o (kind, prod_id, staging_id, digest)
            select r.kind, r.prod_id, r.staging_id, r.digest from r where not exists (select 1 from twice)
            on conflict (kind, prod_id) do update
               set staging_id = excluded.staging_id, digest = excluded.digest, applied_at = clock_timestamp()
             where (o.staging_id, o.digest) is distinct from (excluded.staging_id, excluded.digest))
     select * from twice limit 1`,
    [...rows, keysOf(prod)],
  )
  if (twice === undefined) return
  throw new KeyError(
    'OWNED_TWICE',
    `staging's ${twice.kind} ${twice.staging_id} belongs to another of prod's (${twice.prod_id})`,
    { detail: { ...twice } },
  )
}

/** New rpms that the removal gate left out for the sake of old ones. */
function leftOut(look: Look, changes: readonly TableChange[]): Set<number> {
  const planned = changeOf(look.changes, 'rpminfo')?.inserts ?? []
  const made = new Set((changeOf(changes, 'rpminfo')?.inserts ?? []).map(({ id }) => id))
  return new Set(planned.filter(({ id }) => !made.has(id)).map(({ id }) => id as number))
}

/** Records of rows that went, and of rows that stand for something else of prod by now. */
async function forgetOthers(
  tx: Tx,
  owned: readonly { readonly kind: string; readonly prodId: number; readonly stagingId: number }[],
  changes: readonly TableChange[],
): Promise<void> {
  const gone = (['rpm', 'archive'] as const).flatMap((kind) =>
    (changeOf(changes, kind === 'rpm' ? 'rpminfo' : 'archiveinfo')?.deletes ?? []).map(({ id }) => ({
      kind: kind as string,
      prodId: -1,
      stagingId: id as number,
    })),
  )
  const rows = [...owned, ...gone]
  await tx.query(
    'build.forget-others',
    `delete from staging_sync.owned o using unnest($1::text[], $2::bigint[], $3::bigint[]) as r(kind, prod_id, staging_id)
      where o.kind = r.kind and o.staging_id = r.staging_id and o.prod_id <> r.prod_id and o.kind <> 'build'`,
    [rows.map(({ kind }) => kind), rows.map(({ prodId }) => prodId), rows.map(({ stagingId }) => stagingId)],
  )
}
