import { createHash } from 'node:crypto'
import { SyncError } from '../errors.ts'
import type { Sql } from './database.ts'
import { REQUIRED } from './koji-columns.ts'
import { SchemaError } from './schema-error.ts'

/** A column of a table of staging. */
export interface Column {
  readonly name: string
  /** Castable and without length, as format_type prints it: `integer`, `character varying`, `timestamp with time zone` */
  readonly sqlType: string
  readonly nullable: boolean
  readonly hasDefault: boolean
  /** characters that a `character varying(n)` holds; null: no limit */
  readonly maxLength: number | null
}

/** A sequence that numbers a column. */
export interface SequenceOf {
  /** quoted and qualified, ready to be cast to regclass */
  readonly sequence: string
  readonly table: string
  readonly column: string
  /** largest number that both the sequence and its column hold */
  readonly max: number
}

interface Table {
  readonly columns: Map<string, Column>
  readonly primaryKey: string[]
}

interface Facts {
  readonly tables: ReadonlyMap<string, Table>
  readonly sequences: readonly SequenceOf[]
  readonly fingerprint: string
}

/**
 * What staging's Koji schema has: read at the start, and again by `reload`, since Koji may be upgraded while we run. The tables are those that an unqualified name finds, as in Koji's own
 * statements. Read from pg_catalog: information_schema hides what we have no right to, and a missing grant would look
 * like an old Koji.
 */
export class Catalog {
  #facts: Facts

  private constructor(facts: Facts) {
    this.#facts = facts
  }

  static async read(sql: Sql): Promise<Catalog> {
    return new Catalog(await readFacts(sql))
  }

  /**
   * Reads the schema anew; says whether it is another one. One that is no longer (or not yet) a Koji that we can write to is not
   * taken over: throws SchemaError as `requireColumns`, and what was known stays.
   */
  async reload(sql: Sql): Promise<boolean> {
    const facts = await readFacts(sql)
    if (facts.fingerprint === this.#facts.fingerprint) return false
    new Catalog(facts).requireColumns()
    this.#facts = facts
    return true
  }

  /** Changes when anything here does. */
  get fingerprint(): string {
    return this.#facts.fingerprint
  }

  /** Is there such a table (and column)? */
  has(table: string, column?: string): boolean {
    const found = this.#facts.tables.get(table)
    return found !== undefined && (column === undefined || found.columns.has(column))
  }

  /** Undefined where staging lacks it. */
  column(table: string, column: string): Column | undefined {
    return this.#facts.tables.get(table)?.columns.get(column)
  }

  /** In the table's own order; empty where there is no such table. */
  columns(table: string): Column[] {
    return [...(this.#facts.tables.get(table)?.columns.values() ?? [])]
  }

  /** In the key's order; empty where there is none. */
  primaryKey(table: string): readonly string[] {
    return this.#facts.tables.get(table)?.primaryKey ?? []
  }

  /** Every sequence of Koji's tables, by name. */
  sequences(): readonly SequenceOf[] {
    return this.#facts.sequences
  }

  /** The sequence of `<table>.id`. Throws SCHEMA_NO_SEQUENCE. */
  idSequence(table: string): SequenceOf {
    const found = this.#facts.sequences.find((one) => one.table === table && one.column === 'id')
    if (found === undefined) {
      throw new SyncError('SCHEMA_NO_SEQUENCE', `staging's column ${table}.id has no sequence`, {
        detail: { table },
      })
    }
    return found
  }

  /** Throws SchemaError SCHEMA_NOT_KOJI, or SCHEMA_MISSING naming everything that replication needs and lacks. */
  requireColumns(): void {
    const markers = ['events', 'users', 'package', 'build', 'rpminfo', 'tag', 'tag_config', 'tag_listing']
    const found = markers.filter((table) => this.has(table))
    if (found.length < markers.length / 2) {
      throw new SchemaError(
        'SCHEMA_NOT_KOJI',
        `staging's database holds no Koji (of ${markers.join(', ')} it has ${found.join(', ') || 'none'})`,
        { detail: { found } },
      )
    }
    const missing = Object.entries(REQUIRED).flatMap(([table, columns]) =>
      this.has(table)
        ? columns.filter((column) => !this.has(table, column)).map((column) => `${table}.${column}`)
        : [table],
    )
    if (missing.length > 0) {
      throw new SchemaError(
        'SCHEMA_MISSING',
        `staging's Koji schema lacks ${missing.join(', ')}; the oldest supported Koji is 1.21`,
        { detail: { missing } },
      )
    }
  }
}

async function readFacts(sql: Sql): Promise<Facts> {
  const columns = await sql.query<ColumnRow>('catalog.columns', COLUMNS)
  const sequences = await sql.query<SequenceOf>('catalog.sequences', SEQUENCES)
  const tables = new Map<string, Table>()
  for (const row of columns) {
    const table = tables.get(row.table) ?? { columns: new Map(), primaryKey: [] }
    tables.set(row.table, table)
    table.columns.set(row.name, {
      name: row.name,
      sqlType: row.sqlType,
      nullable: row.nullable,
      hasDefault: row.hasDefault,
      maxLength: row.maxLength,
    })
    if (row.keyPosition !== null) table.primaryKey[row.keyPosition - 1] = row.name
  }
  const facts = [...tables].map(([name, table]) => [name, ...table.columns.values()])
  const fingerprint = createHash('sha256')
    .update(JSON.stringify([facts, sequences]))
    .digest('hex')
  return { tables, sequences, fingerprint }
}

interface ColumnRow extends Column {
  readonly table: string
  /** 1-based place in the primary key */
  readonly keyPosition: number | null
}

const COLUMNS = `
  select c.relname as "table", a.attname as "name", format_type(a.atttypid, null) as "sqlType",
         not a.attnotnull as "nullable", a.atthasdef as "hasDefault",
         case when a.atttypid in ('character varying'::regtype, 'character'::regtype) and a.atttypmod > 4
              then a.atttypmod - 4 end as "maxLength",
         array_position(k.conkey::int2[], a.attnum) as "keyPosition"
    from pg_catalog.pg_class c
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
   where c.relkind in ('r', 'p') and pg_catalog.pg_table_is_visible(c.oid)
     and c.relnamespace <> 'pg_catalog'::regnamespace
   order by c.relname, a.attnum`

// Owned sequences (what serial makes) and those that a default merely names (made by hand, or lost their owner).
const SEQUENCES = `
  with numbered as (
    select d.objid as seq, d.refobjid as rel, d.refobjsubid as att
      from pg_catalog.pg_depend d
     where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
       and d.deptype in ('a', 'i') and d.refobjsubid > 0
    union
    select d.refobjid, ad.adrelid, ad.adnum
      from pg_catalog.pg_attrdef ad
      join pg_catalog.pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = ad.oid
     where d.refclassid = 'pg_class'::regclass)
  select format('%I.%I', n.nspname, s.relname) as "sequence", c.relname as "table", a.attname as "column",
         least(q.seqmax, case a.atttypid when 'integer'::regtype then 2147483647
                                         when 'smallint'::regtype then 32767
                                         else 9007199254740991 end) as "max"
    from numbered
    join pg_catalog.pg_class s on s.oid = numbered.seq and s.relkind = 'S'
    join pg_catalog.pg_namespace n on n.oid = s.relnamespace
    join pg_catalog.pg_sequence q on q.seqrelid = s.oid
    join pg_catalog.pg_class c on c.oid = numbered.rel
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = numbered.att
   where pg_catalog.pg_table_is_visible(c.oid)
   order by 1, 2, 3`
