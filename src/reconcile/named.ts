import { conflictsOf, type Deps } from '../converge/deps.ts'
import { findNamedRows, keyOf, type NamedRow, type NamedRowKind } from '../converge/named-row.ts'
import { rewriteUrl } from '../converge/rewrite.ts'
import { type View, viewDifference } from '../converge/versioned-plan.ts'
import type { ExternalRepoConfigRow, TargetConfigRow } from '../model/history-rows.ts'
import { formatKey, type Key } from '../model/key.ts'
import { lastMapped } from '../staging/events.ts'
import { type Found, foundOf, kindOfKey, type NameOf } from './found.ts'

/** Staging's name of a thing beside prod's: a name that staging's people gave it is a clash, which policy settles. */
export function nameFound(deps: Deps, key: Key, row: NamedRow, name: string): Found[] {
  if (row.name === name) return []
  const isEdited = row.appliedName !== null && row.appliedName !== row.name
  const { tag: policy } = conflictsOf(deps, key)
  const edited = policy === 'hold' ? 'held' : 'local'
  return [
    {
      key,
      kind: 'name',
      subject: name,
      tag: key.kind === 'tag' ? name : null,
      prod: name,
      staging: row.name,
      state: isEdited && policy !== 'prod-wins' ? edited : 'open',
    },
  ]
}

/** Targets: the converger's own difference of each. Those whose tags are both out of scope were left out by the caller. */
export async function compareTargets(deps: Deps, targets: readonly TargetConfigRow[]): Promise<Found[]> {
  const { database, owner } = deps
  const rows = await findNamedRows(
    database,
    owner,
    'build_target',
    targets.map(({ targetId }) => targetId),
  )
  const tagIds = targets.flatMap(({ buildTagId, destTagId }) => [buildTagId, destTagId])
  const tags = await findNamedRows(database, owner, 'tag', [...new Set(tagIds)])
  const found: Found[] = []
  for (const target of targets) {
    const key = keyOf('build_target', target.targetId)
    const row = rows.get(target.targetId)
    const [build, dest] = [tags.get(target.buildTagId), tags.get(target.destTagId)]
    const shown = { build_tag: target.buildTagName, dest_tag: target.destTagName }
    if (row === undefined || build === undefined || dest === undefined) {
      found.push(absent(key, target.targetName, shown))
      continue
    }
    const ids = { build_target_id: row.stagingId }
    const cells = { ...ids, build_tag: build.stagingId, dest_tag: dest.stagingId }
    const nameOf: NameOf = (column, id) => {
      if (column !== 'build_tag' && column !== 'dest_tag') return undefined
      return [...tags.values()].find(({ stagingId }) => stagingId === id)?.name
    }
    const view: View = {
      table: 'build_target_config',
      where: ids,
      wanted: [{ cells, prodEvent: target.createEvent }],
    }
    found.push(
      ...nameFound(deps, key, row, target.targetName),
      ...(await compareView(deps, key, view, target.targetName, nameOf)),
    )
  }
  return found
}

/** External repos, with their URL as the rules rewrite it. */
export async function compareRepos(deps: Deps, repos: readonly ExternalRepoConfigRow[]): Promise<Found[]> {
  const rows = await findNamedRows(
    deps.database,
    deps.owner,
    'external_repo',
    repos.map(({ externalRepoId }) => externalRepoId),
  )
  const found: Found[] = []
  for (const repo of repos) {
    const key = keyOf('external_repo', repo.externalRepoId)
    const row = rows.get(repo.externalRepoId)
    const url = rewriteUrl(repo.url, deps.externalRepoRewrite)
    if (row === undefined) {
      found.push(absent(key, repo.externalRepoName, { url }))
      continue
    }
    const ids = { external_repo_id: row.stagingId }
    const wanted = [{ cells: { ...ids, url }, prodEvent: repo.createEvent }]
    const view: View = { table: 'external_repo_config', where: ids, wanted }
    found.push(
      ...nameFound(deps, key, row, repo.externalRepoName),
      ...(await compareView(deps, key, view, repo.externalRepoName, () => undefined)),
    )
  }
  return found
}

const CONFIGS: Readonly<Record<NamedRowKind, { readonly table: string; readonly column: string }>> = {
  tag: { table: 'tag_config', column: 'tag_id' },
  build_target: { table: 'build_target_config', column: 'build_target_id' },
  external_repo: { table: 'external_repo_config', column: 'external_repo_id' },
}

/** Things that staging has from prod, settings and all, and prod shows no more. Their keys ask prod for the proof. */
export async function findGone(
  deps: Deps,
  kind: NamedRowKind,
  shown: readonly number[],
  isWanted: (row: { readonly id: number; readonly name: string }) => Promise<boolean>,
): Promise<Found[]> {
  const { table, column } = CONFIGS[kind]
  const rows = await deps.database.query<{ id: number; name: string }>(
    `reconcile.gone.${kind}`,
    `select coalesce(o.prod_id, t.id) as id, t.name from ${kind} t
       left join staging_sync.owned o on o.kind = '${kind}' and o.staging_id = t.id
      where (o.prod_id is not null or exists (select 1 from ${table} c where c.${column} = t.id and c.create_event <= $2::int))
        and exists (select 1 from ${table} c where c.${column} = t.id and c.active)
        and coalesce(o.prod_id, t.id) <> all ($1::bigint[])
      order by 1`,
    [shown, deps.owner.seedEvent],
  )
  const found: Found[] = []
  for (const row of rows) {
    if (!(await isWanted(row))) continue
    const key = keyOf(kind, row.id)
    found.push({ ...absent(key, row.name, null), tag: kind === 'tag' ? row.name : null, staging: row.name })
  }
  return found
}

async function compareView(
  deps: Deps,
  key: Key,
  view: View,
  subject: string,
  nameOf: NameOf,
): Promise<Found[]> {
  const { database, catalog, owner } = deps
  const settings = { catalog, owner, policy: conflictsOf(deps, key).tag }
  const lastApplied = await lastMapped(database, formatKey(key))
  const difference = await viewDifference(database, settings, [view], lastApplied)
  return foundOf(difference, { key, tag: null, subject, nameOf })
}

function absent(key: Key, subject: string, prod: unknown): Found {
  return { key, kind: kindOfKey(key), subject, tag: null, prod, staging: null, state: 'open' }
}
