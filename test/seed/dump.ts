import { buffer } from 'node:stream/consumers'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { type KojiVersion, kojiCatalog, kojiSchemaSql } from '../support/koji-schema.ts'

/** What pg_dump writes of a Koji's database, in its order: tables, rows, numbers of sequences, keys between tables. */
export async function dumpKoji(url: string, version: KojiVersion = '1.35.0'): Promise<string> {
  const statements = kojiSchemaSql(version)
    .split(/;\n/)
    .map((text) => text.replace(/;$/, ''))
  const isRow = (text: string): boolean => /^(INSERT INTO|SELECT)/.test(text)
  const isKey = (text: string): boolean => text.includes(' FOREIGN KEY ')
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const catalog = kojiCatalog(version)
    const rows: string[] = []
    for (const table of Object.keys(catalog.tables)) {
      const columns = catalog.tables[table]?.columns.map(({ name }) => `"${name}"`).join(', ')
      const data = await buffer(client.query(copyTo(`copy ${table} (${columns}) to stdout`)))
      rows.push(`COPY public.${table} (${columns}) FROM stdin;\n${data.toString('utf8')}\\.\n`)
    }
    const numbers: string[] = []
    for (const { name } of catalog.sequences) {
      const [row] = (await client.query(`select last_value, is_called from ${name}`)).rows
      numbers.push(`SELECT pg_catalog.setval('public.${name}', ${row.last_value}, ${row.is_called});`)
    }
    return [
      '--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n',
      `SET statement_timeout = 0;\nSET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', 'public', false);`,
      ...statements.filter((text) => !isRow(text) && !isKey(text)).map((text) => `${text};`),
      'ALTER TABLE public.build OWNER TO nobody_here;',
      // As pg_dump has it from the beginning.
      "SELECT pg_catalog.set_config('search_path', '', false);",
      ...rows,
      ...numbers,
      ...statements.filter(isKey).map((text) => `${text};`),
      '--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n',
    ].join('\n')
  } finally {
    await client.end()
  }
}
