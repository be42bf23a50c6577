import pg from 'pg'
import { SyncError } from '../errors.ts'
import type { Session } from './session.ts'

/**
 * How a database was made: columns of its row of pg_database as text, those that this PostgreSQL has (providers came with 15, rules of
 * ICU with 16, `datlocale` with 17), with names for owner, encoding and tablespace.
 */
export type Making = Readonly<Record<string, string | null>>

/** Null: there is none of that name. */
export async function readMaking(session: Session, database: string): Promise<Making | null> {
  const [row] = await session.query<{ making: string }>('seed.making', MAKING, [database])
  return row === undefined ? null : (JSON.parse(row.making) as Making)
}

/** What is the database's own, or given later (rights, limit of connections); the collation's version is that of today. */
const OWN = [
  'oid',
  'datname',
  'datdba',
  'encoding',
  'dattablespace',
  'datistemplate',
  'datallowconn',
  'dathasloginevt',
  'datconnlimit',
  'datlastsysoid',
  'datfrozenxid',
  'datminmxid',
  'datcollversion',
  'datacl',
]

const MAKING = `
  select (to_jsonb(d) - array[${OWN.map((name) => `'${name}'`).join(', ')}]
          || jsonb_build_object('owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding),
                                'tablespace', (select spcname from pg_tablespace t where t.oid = dattablespace)))::text as making
    from pg_database d where datname = $1`

/** Providers of pg_database.datlocprovider. */
const ICU = 'i'
const BUILT_IN = 'b'

/** `create database` of one that is made like that. */
export function createStatement(name: string, like: Making): string {
  const provider = like.datlocprovider ?? 'c'
  // `daticulocale` up to PostgreSQL 16
  const locale = like.datlocale ?? like.daticulocale ?? null
  const options: [string, string | null | undefined][] = [
    ['encoding', like.encoding],
    ['lc_collate', like.datcollate],
    ['lc_ctype', like.datctype],
    ...(provider === ICU
      ? ([
          ['locale_provider', 'icu'],
          ['icu_locale', locale],
          ['icu_rules', like.daticurules],
        ] as [string, string | null | undefined][])
      : []),
    ...(provider === BUILT_IN
      ? ([
          ['locale_provider', 'builtin'],
          ['builtin_locale', locale],
        ] as [string, string | null | undefined][])
      : []),
  ]
  const given = options.flatMap(([option, value]) =>
    value === null || value === undefined ? [] : [`${option} ${pg.escapeLiteral(value)}`],
  )
  return [
    `create database ${pg.escapeIdentifier(name)} owner ${pg.escapeIdentifier(like.owner ?? '')} template template0`,
    `tablespace ${pg.escapeIdentifier(like.tablespace ?? '')}`,
    ...given,
  ].join(' ')
}

/** Throws SyncError SEED_DATABASE_UNLIKE naming what a later PostgreSQL has that we do not know of. */
export function refuseUnlike(
  like: Making,
  made: Making | null,
  { database, name }: { readonly database: string; readonly name: string },
): void {
  const unlike = Object.keys(like).filter((column) => like[column] !== made?.[column])
  if (unlike.length === 0) return
  const named = unlike.map((column) => `${column} ${like[column]} (${made?.[column]})`).join(', ')
  throw new SyncError(
    'SEED_DATABASE_UNLIKE',
    `${name} could not be made like ${database}, which sorts or keeps its text otherwise: ${named}`,
  )
}
