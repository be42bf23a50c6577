import type { Sql } from './database.ts'

/** What a person did by hand. */
export interface AuditLine {
  /** by staging's database clock */
  readonly at: string
  readonly by: string
  readonly host: string
  /** the command */
  readonly what: string
  /** `formatKey`'s text, mostly */
  readonly subject: string
  readonly detail: string
}

/** The newest first; of one subject, or of all. */
export function listAudit(
  sql: Sql,
  { subject, limit }: { readonly subject: string | null; readonly limit: number },
): Promise<AuditLine[]> {
  return sql.query(
    'audit.list',
    `select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at, who as by, host, what, subject, detail
       from staging_sync.audit where $1::text is null or subject = $1 order by id desc limit $2`,
    [subject, limit],
  )
}
