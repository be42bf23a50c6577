import { getBuildTargets, listExternalRepos } from '../hub/calls-lookup.ts'
import { listTags } from '../hub/calls-tag.ts'
import type { Key } from '../model/key.ts'
import type { Sql } from '../staging/database.ts'
import { type Difference, newDifferences } from './differences.ts'
import type { Run } from './run.ts'

interface Named {
  readonly id: number
  readonly name: string
}

/** Things whose name is not versioned, with the table of those settings that are. */
const KINDS = {
  tag: { config: 'tag_config', column: 'tag_id', key: (tagId: number): Key => ({ kind: 'tag', tagId }) },
  build_target: {
    config: 'build_target_config',
    column: 'build_target_id',
    key: (targetId: number): Key => ({ kind: 'target', targetId }),
  },
  external_repo: {
    config: 'external_repo_config',
    column: 'external_repo_id',
    key: (repoId: number): Key => ({ kind: 'external-repo', repoId }),
  },
} as const

type Kind = keyof typeof KINDS

/** Renamed tags, targets and external repos: prod's names, all of them, beside the names that staging was given last. */
export async function readNames(run: Run): Promise<void> {
  const [tags, targets, repos] = await run.read([listTags(), getBuildTargets(), listExternalRepos()])
  const all: Record<Kind, readonly Named[]> = { tag: tags, build_target: targets, external_repo: repos }
  for (const kind of Object.keys(KINDS) as Kind[]) {
    const { differences, equal } = await compareNames(run.database, kind, all[kind], run.seedEvent)
    await run.commit(`${kind}-names`, all[kind].length, (tx) =>
      newDifferences(tx, `${kind}-name`, differences, equal),
    )
  }
}

/**
 * By what was applied last (`owned.digest` of a named thing is its name), so that a name that staging's people changed is no
 * difference here. Things that staging does not have are no difference: their settings have events.
 */
async function compareNames(
  sql: Sql,
  kind: Kind,
  prod: readonly Named[],
  seedEvent: number | null,
): Promise<{ differences: Difference[]; equal: number[] }> {
  const { config, column, key } = KINDS[kind]
  const rows = await sql.query<{ id: number; name: string; same: boolean }>(
    `catchup.names.${kind}`,
    `select r.id, r.name, r.name = coalesce(o.digest, t.name) as same
       from unnest($1::bigint[], $2::text[]) as r(id, name)
       left join staging_sync.owned o on o.kind = '${kind}' and o.prod_id = r.id
       join ${kind} t on t.id = coalesce(o.staging_id, r.id)
      where o.staging_id is not null
         or (exists (select 1 from ${config} c where c.${column} = t.id and c.create_event <= $3::int)
             and not exists (select 1 from staging_sync.owned s where s.kind = '${kind}' and s.staging_id = t.id))`,
    [prod.map(({ id }) => id), prod.map(({ name }) => name), seedEvent],
  )
  return {
    differences: rows.filter((row) => !row.same).map(({ id, name }) => ({ id, what: name, key: key(id) })),
    equal: rows.filter((row) => row.same).map(({ id }) => id),
  }
}
