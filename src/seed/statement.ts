import { SyncError } from '../errors.ts'

/** What is done with a statement of a dump. */
export type Judged =
  | { readonly do: 'run' }
  /** `table` without schema and quotes, `name` as it is written */
  | { readonly do: 'copy'; readonly table: string; readonly name: string }
  /** `notice`: a person should know that it was left out */
  | { readonly do: 'skip'; readonly notice?: string }

/** Settings of a session that a dump may make; all others are its writer's own business (timeouts, those of newer servers). */
const SETTINGS = [
  'client_encoding',
  'standard_conforming_strings',
  'check_function_bodies',
  'xmloption',
  'client_min_messages',
  'row_security',
  'escape_string_warning',
  'search_path',
]

const NAME = String.raw`(?:"(?:[^"]|"")+"|[A-Za-z_][\w$]*)`
const QUALIFIED = new RegExp(String.raw`^(?:(${NAME})\.)?(${NAME})`)

const RUN = [
  /^CREATE\s+(?:UNLOGGED\s+|UNIQUE\s+|OR\s+REPLACE\s+|MATERIALIZED\s+)*(?:TABLE|INDEX|SEQUENCE|FUNCTION|AGGREGATE|TYPE|DOMAIN|VIEW|STATISTICS|COLLATION|OPERATOR|CAST)\b/i,
  /^CREATE\s+EXTENSION\b/i,
  /^ALTER\s+(?:TABLE|SEQUENCE|INDEX|TYPE|DOMAIN|VIEW|FUNCTION)\b/i,
  /^COMMENT\s+ON\b/i,
  /^REFRESH\s+MATERIALIZED\s+VIEW\b/i,
]

/** Not for us: owners and rights are those of the database that is replaced, the database itself is made by us. */
const SKIP = [
  /^ALTER\s+[\s\S]+\sOWNER\s+TO\s+\S+\s*;$/i,
  /^ALTER\s+(?:DATABASE|DEFAULT\s+PRIVILEGES)\b/i,
  /^(?:GRANT|REVOKE|SECURITY\s+LABEL|DROP|BEGIN|COMMIT)\b/i,
  /^(?:CREATE|COMMENT\s+ON)\s+DATABASE\b/i,
  /^COMMENT\s+ON\s+EXTENSION\b/i,
  /^(?:CREATE|COMMENT\s+ON)\s+SCHEMA\s+(?:public|"public")\b/i,
]

/** They would do something by themselves in staging; Koji has none. */
const NOTICE = [
  /^(?:CREATE|ALTER)\s+(?:OR\s+REPLACE\s+|CONSTRAINT\s+)*(?:TRIGGER|EVENT\s+TRIGGER|RULE|POLICY|PUBLICATION|SUBSCRIPTION|SERVER|FOREIGN)\b/i,
  /^ALTER\s+TABLE\b[\s\S]+\bENABLE\s+(?:ALWAYS|REPLICA)?\s*(?:TRIGGER|RULE|ROW\s+LEVEL)/i,
]

/**
 * Judges a statement of a dump: only what pg_dump writes for tables and their rows is run. `isLeftOut` tells of a table whose rows
 * are not wanted. Throws SyncError SEED_DUMP_STATEMENT naming one that does not belong into a dump of one database.
 */
export function judgeStatement(statement: string, isLeftOut: (table: string) => boolean): Judged {
  const text = statement.trimStart()
  if (/^\\(?:restrict|unrestrict|connect)\b/.test(text)) return { do: 'skip' }
  const set = /^SET\s+(\w+)/i.exec(text)?.[1]
  if (set !== undefined) return { do: SETTINGS.includes(set.toLowerCase()) ? 'run' : 'skip' }
  if (/^SELECT\s+pg_catalog\.(?:setval|set_config)\s*\([^;]*\)\s*;$/i.test(text)) return { do: 'run' }
  if (SKIP.some((pattern) => pattern.test(text))) return { do: 'skip' }
  if (NOTICE.some((pattern) => pattern.test(text))) return { do: 'skip', notice: headOf(text) }
  const copy = /^COPY\s+([\s\S]+?)(?:\s*\([\s\S]*\))?\s+FROM\s+stdin\s*;$/i.exec(text)?.[1]
  if (copy !== undefined) return { do: 'copy', table: tableOf(copy), name: copy.trim() }
  const into = /^INSERT\s+INTO\s+([\s\S]{1,200})/i.exec(text)?.[1]
  if (into !== undefined) return { do: isLeftOut(tableOf(into)) ? 'skip' : 'run' }
  if (/^CREATE\s+SCHEMA\s+"?staging_sync/i.test(text)) {
    throw refused(
      "it holds our own schema staging_sync, so it is a dump of a staging, not of prod's database",
    )
  }
  if (/^CREATE\s+SCHEMA\b/i.test(text) || RUN.some((pattern) => pattern.test(text))) return { do: 'run' }
  if (/^(?:CREATE|ALTER)\s+(?:ROLE|USER|TABLESPACE)\b/i.test(text)) {
    throw refused('it is one of a whole server (pg_dumpall); make one of the database alone, with pg_dump')
  }
  throw refused(`it has a statement that pg_dump does not write for tables: ${headOf(text)}`)
}

/** Without its schema and quotes. */
export function tableOf(name: string): string {
  const found = QUALIFIED.exec(name.trim())?.[2]
  if (found === undefined) throw refused(`it names a table in a way that is not understood: ${headOf(name)}`)
  return found.startsWith('"') ? found.slice(1, -1).replaceAll('""', '"') : found
}

/** The beginning of a statement, on one line. */
export function headOf(statement: string): string {
  const line = statement.replace(/\s+/g, ' ').trim()
  return line.length > 100 ? `${line.slice(0, 100)}...` : line
}

function refused(why: string): SyncError {
  return new SyncError('SEED_DUMP_STATEMENT', `the dump cannot be used: ${why}`)
}
