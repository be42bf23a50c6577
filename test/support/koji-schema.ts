import { readFileSync } from 'node:fs'

/** The Koji versions whose schema stands in test/fixtures/schema. */
export type KojiVersion = '1.21.0' | '1.25.0' | '1.30.0' | '1.33.0' | '1.35.0' | 'HEAD'

/** All of them, oldest first. */
export const kojiVersions: readonly KojiVersion[] = ['1.21.0', '1.25.0', '1.30.0', '1.33.0', '1.35.0', 'HEAD']

/** The catalog of a fresh Koji database, as test/fixtures/schema/<version>.json holds it. */
export interface KojiCatalog {
  tables: Record<string, CatalogTable>
  sequences: { name: string; type: string; owner_table: string | null; owner_column: string | null }[]
  functions: { name: string; result: string }[]
  initial_permissions: string[]
  initial_btypes: Record<string, number>
  initial_archivetypes: Record<string, number>
  initial_channels: Record<string, number>
}

interface CatalogTable {
  columns: { name: string; type: string; nullable: boolean; default: string | null; position: number }[]
  primary_key: { name: string; columns: string[] } | null
  unique: { name: string; columns: string[] }[]
  foreign_keys: ForeignKey[]
  checks: { name: string; definition: string }[]
  indexes: { name: string; unique: boolean; definition: string }[]
  initial_rows: number
}

interface ForeignKey {
  name: string
  columns: string[]
  ref_table: string
  ref_columns: string[]
  /** pg_constraint.confupdtype and confdeltype: a no action, c cascade. */
  on_update: string
  on_delete: string
  deferrable: boolean
}

/** Reads the catalog of one version. */
export function kojiCatalog(version: KojiVersion): KojiCatalog {
  return fixture(`${version}.json`) as KojiCatalog
}

/** All statements that make an empty database a freshly installed Koji of that version. */
export function kojiSchemaSql(version: KojiVersion): string {
  const catalog = kojiCatalog(version)
  const tables = Object.entries(catalog.tables)
  const timeType = catalog.tables.events?.columns.find((column) => column.name === 'time')?.type
  const statements = [
    'SET check_function_bodies = off',
    ...catalog.sequences.map((sequence) => `CREATE SEQUENCE ${sequence.name} AS ${sequence.type}`),
    `CREATE FUNCTION get_event() RETURNS integer LANGUAGE sql AS $$
       INSERT INTO events (time) VALUES (clock_timestamp()) RETURNING id $$`,
    `CREATE FUNCTION get_event_time(integer) RETURNS ${timeType} LANGUAGE sql AS $$
       SELECT time FROM events WHERE id = $1 $$`,
    ...tables.map(([name, table]) => `CREATE TABLE ${name} (${table.columns.map(columnSql).join(', ')})`),
    ...catalog.sequences
      .filter((sequence) => sequence.owner_table)
      .map(
        (sequence) =>
          `ALTER SEQUENCE ${sequence.name} OWNED BY ${sequence.owner_table}.${sequence.owner_column}`,
      ),
    ...tables.flatMap(([name, table]) => keySql(name, table)),
    ...tables.flatMap(([name, table]) => table.foreign_keys.map((key) => foreignKeySql(name, key))),
    ...initialRows(catalog),
  ]
  return `${statements.join(';\n')};`
}

function columnSql(column: CatalogTable['columns'][number]): string {
  const fallback = column.default === null ? '' : ` DEFAULT ${column.default}`
  return `"${column.name}" ${column.type}${fallback}${column.nullable ? '' : ' NOT NULL'}`
}

function keySql(name: string, table: CatalogTable): string[] {
  const made = new Set([table.primary_key, ...table.unique].map((key) => key?.name))
  const add = (constraint: string, body: string) => `ALTER TABLE ${name} ADD CONSTRAINT ${constraint} ${body}`
  return [
    ...(table.primary_key
      ? [add(table.primary_key.name, `PRIMARY KEY (${table.primary_key.columns.join(', ')})`)]
      : []),
    ...table.unique.map((key) => add(key.name, `UNIQUE (${key.columns.join(', ')})`)),
    ...table.checks.map((check) => add(check.name, check.definition)),
    ...table.indexes.filter((index) => !made.has(index.name)).map((index) => index.definition),
  ]
}

function foreignKeySql(table: string, key: ForeignKey): string {
  const action = (letter: string) => (letter === 'c' ? 'CASCADE' : 'NO ACTION')
  return `ALTER TABLE ${table} ADD CONSTRAINT ${key.name} FOREIGN KEY (${key.columns.join(', ')})
    REFERENCES ${key.ref_table} (${key.ref_columns.join(', ')})
    ON UPDATE ${action(key.on_update)} ON DELETE ${action(key.on_delete)}${key.deferrable ? ' DEFERRABLE' : ''}`
}

/** The rows of a fresh install; ids as there, and sequences behind them. */
function initialRows(catalog: KojiCatalog): string[] {
  const text = (value: string | null) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`)
  const has = (table: string, column: string) =>
    catalog.tables[table]?.columns.some((c) => c.name === column) ?? false
  const types = fixture('archivetypes.json') as Record<string, [string, string, string | null]>
  const withIds = (table: string, ids: Record<string, number>) => [
    ...Object.entries(ids).map(
      ([name, id]) => `INSERT INTO ${table} (id, name) VALUES (${id}, ${text(name)})`,
    ),
    `SELECT setval('${table}_id_seq', (SELECT max(id) FROM ${table}))`,
  ]
  return [
    ...catalog.initial_permissions.map((name) => `INSERT INTO permissions (name) VALUES (${text(name)})`),
    ...withIds('btype', catalog.initial_btypes),
    ...withIds('channels', catalog.initial_channels),
    ...Object.entries(catalog.initial_archivetypes).map(([name, id]) => {
      const [description, extensions, compression] = types[name] ?? [name, name, null]
      const extra = has('archivetypes', 'compression_type')
        ? [', compression_type', `, ${text(compression)}`]
        : ['', '']
      return `INSERT INTO archivetypes (id, name, description, extensions${extra[0]})
        VALUES (${id}, ${text(name)}, ${text(description)}, ${text(extensions)}${extra[1]})`
    }),
    `SELECT setval('archivetypes_id_seq', (SELECT max(id) FROM archivetypes))`,
    `INSERT INTO volume (id, name) VALUES (0, 'DEFAULT')`,
    `INSERT INTO external_repo (id, name) VALUES (0, 'INTERNAL')`,
    ...['protonmsg-plugin', 'scheduler', 'repo-queue']
      .slice(0, catalog.tables.locks?.initial_rows ?? 0)
      .map((name) => `INSERT INTO locks (name) VALUES (${text(name)})`),
  ]
}

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/schema/${name}`, import.meta.url), 'utf8'))
}
