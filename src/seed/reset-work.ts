import { BUILD_STATE } from '../model/records.ts'
import { deleteWithReferences } from './delete-rows.ts'
import type { ResetContext } from './reset.ts'

/** TASK_STATES, BR_STATES and REPO_STATES of koji/__init__.py */
const TASK = { free: 0, open: 1, canceled: 3, assigned: 4 } as const
const BUILDROOT_EXPIRED = 3
const REPO = { init: 0, ready: 1, expired: 2, problem: 4 } as const

/** Nobody in staging works on prod's tasks. */
export async function cancelTasks({ session, report }: ResetContext): Promise<void> {
  const rows = await session.change(
    'seed.tasks',
    `update task set state = $1, completion_time = coalesce(completion_time, now()) where state = any($2::int[])`,
    [TASK.canceled, [TASK.free, TASK.open, TASK.assigned]],
  )
  report.add('task', 'open ones canceled', rows)
}

/** What hangs on a build and is written while it is imported (kojihub.py, reset_build). */
const OF_BUILD = ['maven_builds', 'win_builds', 'image_builds', 'build_types']

/** A build that prod was at work on is canceled, and what it had imported so far is taken out, all that refers to it first. */
export async function cancelBuilds({ session, catalog, report }: ResetContext): Promise<void> {
  const unfinished = `build_id in (select id from build where state = ${BUILD_STATE.building})`
  for (const table of ['rpminfo', 'archiveinfo']) {
    const deleted = await deleteWithReferences(session, table, unfinished)
    for (const [name, rows] of deleted) report.add(name, 'of unfinished builds removed', rows)
  }
  for (const table of OF_BUILD) {
    if (!catalog.has(table)) continue
    const rows = await session.change(`seed.unfinished.${table}`, `delete from ${table} where ${unfinished}`)
    report.add(table, 'of unfinished builds removed', rows)
  }
  const rows = await session.change(
    'seed.unfinished',
    'update build set state = $1, completion_time = coalesce(completion_time, now()) where state = $2',
    [BUILD_STATE.canceled, BUILD_STATE.building],
  )
  report.add('build', 'unfinished ones canceled', rows)
}

/** Buildroots and repos stand on prod's disks; staging's kojira makes its own. */
export async function endRepos({ session, report, event }: ResetContext): Promise<void> {
  const buildroots = await session.change(
    'seed.buildroots',
    `update standard_buildroot set state = $1, retire_event = coalesce(retire_event, $2::int) where state <> $1`,
    [BUILDROOT_EXPIRED, event],
  )
  report.add('standard_buildroot', 'expired', buildroots)
  const repos = await session.change(
    'seed.repos',
    'update repo set state = $1 where state = any($2::int[])',
    [REPO.expired, [REPO.init, REPO.ready, REPO.problem]],
  )
  report.add('repo', 'expired', repos)
}

export async function addChannels({ session, report, wishes }: ResetContext): Promise<void> {
  const names = [...wishes.channels, ...wishes.hosts.flatMap(({ channels }) => channels)]
  const rows = await session.change(
    'seed.channels',
    `insert into channels (name) select distinct n from unnest($1::text[]) n
      where not exists (select 1 from channels c where c.name = n)`,
    [names],
  )
  report.add('channels', 'added', rows)
}

/** As the daemon rewrites them (`[[external_repo_rewrite]]`), so that it finds them equal; old ones too: a repo at an event reads them. */
export async function rewriteRepos({ session, report, wishes }: ResetContext): Promise<void> {
  const rows = await session.query<{ url: string }>(
    'seed.repo-urls',
    'select distinct url from external_repo_config order by url',
  )
  const rules = wishes.repoUrls.map(({ match, replace }) => ({
    pattern: new RegExp(match),
    match,
    replace,
    hits: 0,
  }))
  let changed = 0
  for (const { url } of rows) {
    const rule = rules.find(({ pattern }) => pattern.test(url))
    if (rule === undefined) continue
    rule.hits += 1
    const to = url.replace(rule.pattern, rule.replace)
    if (to === url) continue
    changed += await session.change(
      'seed.repo-url',
      'update external_repo_config set url = $2 where url = $1',
      [url, to],
    )
  }
  for (const { match, hits } of rules) {
    if (hits === 0) report.note(`[[external_repo_rewrite]] ${match}: no external repo of the dump matches it`)
  }
  report.add('external_repo_config', 'rewritten', changed)
}
