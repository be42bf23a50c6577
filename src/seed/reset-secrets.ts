import { ConfigError } from '../errors.ts'
import type { ResetContext } from './reset.ts'

/**
 * What belongs to prod's own running: who is logged in, who is told what, what waits to be done or sent. `locks` is not among it:
 * its rows are names that the hub looks for.
 */
export const QUEUES = [
  'sessions',
  'build_notifications',
  'build_notifications_block',
  'build_reservations',
  'proton_queue',
  'repo_queue',
  'scheduler_task_runs',
  'scheduler_task_refusals',
  'scheduler_host_data',
  'scheduler_log_messages',
  'scheduler_sys_data',
  // What kojira last saw of prod's external repos.
  'external_repo_data',
]

export async function emptyQueues({ session, catalog, report }: ResetContext): Promise<void> {
  for (const table of QUEUES) {
    if (!catalog.has(table)) continue
    report.add(table, 'emptied', await session.change(`seed.empty.${table}`, `delete from ${table}`))
  }
}

export async function forgetPasswords({ session, report }: ResetContext): Promise<void> {
  const rows = await session.change(
    'seed.passwords',
    'update users set password = null where password is not null',
  )
  report.add('users', 'passwords removed', rows)
}

/** The first rule that is found in a principal rewrites it; what no rule knows is prod's and is removed. */
export async function rewritePrincipals({ session, report, wishes }: ResetContext): Promise<void> {
  const rows = await session.query<{ user_id: number; krb_principal: string }>(
    'seed.principals',
    'select user_id, krb_principal from user_krb_principals order by krb_principal',
  )
  const rules = wishes.principals.map(({ match, replace }) => ({
    pattern: new RegExp(match),
    match,
    replace,
    hits: 0,
  }))
  const wanted = new Map<string, { readonly userId: number; readonly from: string }>()
  for (const { user_id: userId, krb_principal: from } of rows) {
    const rule = rules.find(({ pattern }) => pattern.test(from))
    if (rule === undefined) continue
    rule.hits += 1
    const to = from.replace(rule.pattern, rule.replace)
    const other = wanted.get(to)
    if (other !== undefined && other.userId !== userId) {
      throw new ConfigError(
        'SEED_PRINCIPAL_CLASH',
        `[[principal_rewrite]] makes ${to} of both ${other.from} and ${from}, who are two users`,
      )
    }
    wanted.set(to, { userId, from })
  }
  for (const { match, hits } of rules) {
    if (hits === 0) report.note(`[[principal_rewrite]] ${match}: no principal of the dump matches it`)
  }
  await session.change('seed.principals-gone', 'delete from user_krb_principals')
  const kept = [...wanted]
  await session.change(
    'seed.principals-new',
    `insert into user_krb_principals (user_id, krb_principal) select * from unnest($1::int[], $2::text[])`,
    [kept.map(([, { userId }]) => userId), kept.map(([to]) => to)],
  )
  const rewritten = rules.reduce((sum, { hits }) => sum + hits, 0)
  report.add('user_krb_principals', 'rewritten or kept by a rule', rewritten)
  report.add('user_krb_principals', 'removed, since no rule matches', rows.length - rewritten)
}
