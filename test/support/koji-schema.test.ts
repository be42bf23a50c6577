import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { type KojiCatalog, kojiCatalog, kojiVersions } from './koji-schema.ts'
import { testDatabase } from './postgres.ts'

describe.each(kojiVersions)('a test database of Koji %s', (version) => {
  it('reads back as the catalog that was taken from a real install', async () => {
    const database = await testDatabase({ koji: version })
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    try {
      const wanted = kojiCatalog(version)
      expect(await readCatalog(client, Object.keys(wanted.tables))).toEqual(normal(wanted))
      expect(await initialNames(client)).toEqual({
        permissions: [...wanted.initial_permissions].sort(),
        btype: wanted.initial_btypes,
        archivetypes: wanted.initial_archivetypes,
        channels: wanted.initial_channels,
      })
      const events = await client.query('SELECT get_event() AS a, get_event() AS b, get_event_time(1) AS t')
      expect(events.rows[0]).toMatchObject({ a: 1, b: 2 })
      // What a fresh install takes next must be free, or the first insert of a hub fails.
      await client.query(`INSERT INTO btype (name) VALUES ('new'); INSERT INTO channels (name) VALUES ('new');
        INSERT INTO archivetypes (name, description, extensions) VALUES ('new', 'new', 'new');
        INSERT INTO volume (name) VALUES ('new'); INSERT INTO external_repo (name) VALUES ('new')`)
    } finally {
      await client.end()
      await database.drop()
    }
  })
})

interface PlainCatalog {
  tables: Record<string, unknown>
  sequences: unknown[]
}

function normal(catalog: KojiCatalog): PlainCatalog {
  const tables = Object.entries(catalog.tables).map(([name, table]) => [
    name,
    {
      columns: table.columns,
      keys: sorted([...(table.primary_key ? [table.primary_key] : []), ...table.unique]),
      checks: sorted(table.checks),
      foreign_keys: sorted(table.foreign_keys),
      indexes: sorted(table.indexes),
      rows: table.initial_rows,
    },
  ])
  return { tables: Object.fromEntries(tables), sequences: sorted(catalog.sequences) }
}

function sorted<T extends { name: string }>(items: T[]): T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function readCatalog(client: pg.Client, expected: string[]): Promise<PlainCatalog> {
  const rows = async (sql: string, ...values: unknown[]) => (await client.query(sql, values)).rows
  const names = await rows(
    `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  )
  expect(names.map((row) => row.table_name)).toEqual([...expected].sort())
  const tables: Record<string, unknown> = {}
  for (const { table_name: table } of names) {
    const columns = await rows(
      `SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
         pg_get_expr(d.adbin, d.adrelid) AS default, a.attnum::int AS position
       FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
       WHERE a.attrelid = $1::regclass AND a.attnum > 0 ORDER BY a.attnum`,
      table,
    )
    const constraints = await rows(
      `SELECT c.conname AS name, c.contype AS kind, pg_get_constraintdef(c.oid) AS definition,
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY k(num, n)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns,
         c.confrelid::regclass::text AS ref_table,
         (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY k(num, n)
            JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num) AS ref_columns,
         c.confupdtype AS on_update, c.confdeltype AS on_delete, c.condeferrable AS deferrable
       FROM pg_constraint c WHERE c.conrelid = $1::regclass ORDER BY c.conname COLLATE "C"`,
      table,
    )
    const pick = (kinds: string, ...keys: string[]) =>
      constraints
        .filter((row) => kinds.includes(row.kind))
        .map((row) => Object.fromEntries(keys.map((key) => [key, row[key]])))
    tables[table] = {
      columns,
      keys: pick('pu', 'name', 'columns'),
      checks: pick('c', 'name', 'definition'),
      foreign_keys: pick(
        'f',
        'name',
        'columns',
        'ref_table',
        'ref_columns',
        'on_update',
        'on_delete',
        'deferrable',
      ),
      indexes: await rows(
        `SELECT c.relname AS name, i.indisunique AS unique, pg_get_indexdef(i.indexrelid) AS definition
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::regclass ORDER BY c.relname COLLATE "C"`,
        table,
      ),
      rows: (await rows(`SELECT count(*)::int AS n FROM "${table}"`))[0].n,
    }
  }
  const sequences = await rows(
    `SELECT s.relname AS name, format_type(q.seqtypid, NULL) AS type, t.relname AS owner_table, a.attname AS owner_column
     FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid
     LEFT JOIN pg_depend d ON d.objid = s.oid AND d.deptype = 'a' AND d.classid = 'pg_class'::regclass
     LEFT JOIN pg_class t ON t.oid = d.refobjid
     LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid ORDER BY s.relname COLLATE "C"`,
  )
  return { tables, sequences }
}

async function initialNames(client: pg.Client): Promise<Record<string, unknown>> {
  const ids = async (table: string) =>
    Object.fromEntries(
      (await client.query(`SELECT name, id FROM ${table}`)).rows.map((row) => [row.name, row.id]),
    )
  return {
    permissions: Object.keys(await ids('permissions')).sort(),
    btype: await ids('btype'),
    archivetypes: await ids('archivetypes'),
    channels: await ids('channels'),
  }
}
