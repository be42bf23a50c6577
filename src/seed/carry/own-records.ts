import type { Ground } from './ground.ts'
import type { CarryReport } from './report.ts'
import type { Side } from './sides.ts'

const DECISION = ['key', 'policy', 'decided_by', 'host', 'decided_at']
const AUDIT = ['at', 'who', 'host', 'what', 'subject', 'detail']

const typed = (names: readonly string[]) =>
  names.map((name) => ({ name, type: name === 'at' || name === 'decided_at' ? 'timestamptz' : 'text' }))

/** What people decided, and the record of what they did. Keys hold prod's ids, which mean the same in both. */
export async function carryDecisions(ground: Ground, side: Side, report: CarryReport): Promise<void> {
  if (!side.isOurs || !(await hasTable(ground, 'decision'))) return
  const from = (table: string, names: readonly string[]): string =>
    `select ${names.join(', ')} from staging_sync.${table}`
  await ground.pullAs(null, 'c_decision', typed(DECISION), from('decision', DECISION))
  await ground.pullAs(null, 'c_audit', typed(AUDIT), from('audit', AUDIT))
  const list = DECISION.join(', ')
  const made = await ground.to.change(
    'carry.decisions',
    `insert into staging_sync.decision (${list}) select ${list} from c_decision on conflict (key) do nothing`,
  )
  report.add('decisions', made)
  await ground.to.query(
    'carry.audit',
    `insert into staging_sync.audit (${AUDIT.join(', ')}) select ${AUDIT.join(', ')} from c_audit o
      where not exists (select 1 from staging_sync.audit n where (n.at, n.subject, n.what) = (o.at, o.subject, o.what)) order by at`,
  )
}

/**
 * What the daemons still had to do, or are to look at because of the carry: messages that were not acted on yet are not told again,
 * and catch-up does not see all of them (signatures).
 */
export async function carryQueue(ground: Ground, side: Side, marks: readonly string[]): Promise<void> {
  const columns = ['key', 'kind'].map((name) => ({ name, type: 'text' }))
  const select = 'select key, kind from staging_sync.queue'
  await ground.pullAs(
    null,
    'c_queue',
    columns,
    side.isOurs ? select : 'select null::text, null::text where false',
  )
  const sigkeys = 'select sigkey from staging_sync.sigkey'
  await ground.pullAs(
    null,
    'c_sigkey',
    [{ name: 'sigkey', type: 'text' }],
    side.isOurs ? sigkeys : 'select null::text where false',
  )
  await ground.to.query(
    'carry.queue',
    `insert into staging_sync.queue (key, kind, priority, due_at, marked_at)
     select key, kind, 1, clock_timestamp(), clock_timestamp()
       from (select key, kind from c_queue union select m, split_part(m, '/', 1) from unnest($1::text[]) m) k order by key
     on conflict (key) do nothing`,
    [marks],
  )
  await ground.to.query(
    'carry.sigkeys',
    'insert into staging_sync.sigkey (sigkey) select sigkey from c_sigkey order by 1 on conflict do nothing',
  )
}

async function hasTable(ground: Ground, table: string): Promise<boolean> {
  const [found] = await ground.from.query<{ there: boolean }>(
    'carry.has',
    'select to_regclass($1) is not null as there',
    [`staging_sync.${table}`],
  )
  return found?.there === true
}
