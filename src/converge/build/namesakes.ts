import { AgainError } from '../../errors.ts'
import { formatKey } from '../../model/key.ts'
import type { Sql } from '../../staging/database.ts'
import type { Converged, Deps } from '../deps.ts'
import { noteClashes } from '../settle.ts'
import type { Clash } from '../versioned-diff.ts'
import { waitFor } from '../wait.ts'
import type { BuildWork } from './content.ts'
import type { Look } from './look.ts'
import { nvrOf } from './row.ts'

/** An rpm of another build that has a name which one of this build needs. */
interface Namesake {
  readonly nvra: string
  readonly rpmId: number
  readonly buildId: number
  /** prod's build that it came from; null: it is staging's own */
  readonly prodId: number | null
}

/**
 * NVRAs of rpms are unique over all builds but drafts (schema.sql rpminfo_unique_nvra). Where writing failed for that: a build
 * of prod that still has the name is converged first; one of staging's own is a clash that is held whatever the policy, since
 * there is no telling what else of it to take. Null: the failure has another reason.
 */
export async function settleNamesakes(
  deps: Deps,
  work: BuildWork,
  look: Look,
  error: unknown,
): Promise<Converged | null> {
  const constraint = error instanceof AgainError ? error.detail.constraint : undefined
  if (typeof constraint !== 'string' || !constraint.startsWith('rpminfo_unique_nvra')) return null
  const found = await findNamesakes(deps.database, work, look.row.id, deps.owner.seedEvent)
  const [first] = found
  if (first === undefined) return null
  const ours = found.flatMap(({ prodId }) => (prodId === null ? [] : [prodId]))
  if (ours.length > 0) {
    const keys = [...new Set(ours)].map((buildId) => ({ kind: 'build' as const, buildId }))
    return waitFor(deps, work.claim, keys, `another build of ours still has ${first.nvra}`)
  }
  const clash: Clash = {
    subject: `${nvrOf(work.prod)}: ${found.map(({ nvra }) => nvra).join(', ')}`,
    kind: 'nvra',
    prod: null,
    local: found,
    decision: 'held',
  }
  await noteClashes(deps.database, formatKey(work.claim.key), [clash, ...look.clashes])
  const reason = `nvra: staging's own build ${first.buildId} has ${first.nvra}`
  return { outcome: { kind: 'held', reason, rows: 0 }, unmet: work.unmet, fenced: false }
}

function findNamesakes(
  sql: Sql,
  { prod }: BuildWork,
  buildId: number | null,
  seedEvent: number | null,
): Promise<Namesake[]> {
  const rpms = prod.rpms.map(({ rpm }) => rpm)
  return sql.query<Namesake>(
    'build.namesakes',
    `select format('%s-%s-%s.%s', r.name, r.version, r.release, r.arch) as nvra, r.id as "rpmId", r.build_id as "buildId",
            coalesce(o.prod_id, case when b.create_event <= $6 then b.id end) as "prodId"
       from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as w(name, version, release, arch)
       join rpminfo r on r.name = w.name and r.version = w.version and r.release = w.release and r.arch = w.arch
                     and r.external_repo_id = 0
       join build b on b.id = r.build_id
       left join staging_sync.owned o on o.kind = 'build' and o.staging_id = b.id
      where b.id is distinct from $5::int and coalesce((to_jsonb(r) ->> 'draft')::boolean, false) is false
      order by r.id`,
    [
      rpms.map(({ name }) => name),
      rpms.map(({ version }) => version),
      rpms.map(({ release }) => release),
      rpms.map(({ arch }) => arch),
      buildId,
      seedEvent ?? -1,
    ],
  )
}
