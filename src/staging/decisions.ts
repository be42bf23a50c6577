import type { Sql, Tx } from './database.ts'

/** How clashes of one key are settled. */
export type DecisionPolicy = 'prod-wins' | 'local-wins' | 'hold'

export interface Decision {
  readonly key: string
  readonly policy: DecisionPolicy
  readonly by: string
  readonly host: string
  /** by staging's database clock */
  readonly at: string
}

/** Who acts. */
export interface Actor {
  /** the person's account on that host */
  readonly user: string
  readonly host: string
}

/** Everything that people decided, by key. */
export function listDecisions(sql: Sql): Promise<Decision[]> {
  return sql.query(
    'decisions.list',
    `select key, policy, decided_by as by, host, to_char(decided_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
       from staging_sync.decision order by key`,
  )
}

/** Decides for a key (`formatKey`'s text), or with null leaves it to the configuration again; with its line of audit. */
export async function decide(tx: Tx, key: string, policy: DecisionPolicy | null, by: Actor): Promise<void> {
  if (policy === null) {
    await tx.query('decisions.withdraw', 'delete from staging_sync.decision where key = $1', [key])
  } else {
    await tx.query(
      'decisions.decide',
      `insert into staging_sync.decision (key, policy, decided_by, host) values ($1, $2, $3, $4)
       on conflict (key) do update set policy = excluded.policy, decided_by = excluded.decided_by,
         host = excluded.host, decided_at = clock_timestamp()`,
      [key, policy, by.user, by.host],
    )
  }
  await recordAudit(tx, by, [{ what: 'clashes resolve', subject: key, detail: policy ?? 'config' }])
}

/** Lines of audit, in the transaction of what they are about. */
export async function recordAudit(
  tx: Tx,
  by: Actor,
  lines: readonly { readonly what: string; readonly subject: string; readonly detail: string }[],
): Promise<void> {
  await tx.query(
    'audit.record',
    `insert into staging_sync.audit (who, host, what, subject, detail)
     select $1, $2, l.what, l.subject, l.detail from unnest($3::text[], $4::text[], $5::text[]) as l(what, subject, detail)`,
    [by.user, by.host, lines.map((l) => l.what), lines.map((l) => l.subject), lines.map((l) => l.detail)],
  )
}
