import { pipeline } from 'node:stream/promises'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import { Catalog } from '../../staging/catalog.ts'
import { classify } from '../../staging/database-errors.ts'
import type { Session } from '../session.ts'

/** A column that refers to another table's id. */
export interface Reference {
  readonly column: string
  readonly target: string
}

/**
 * Two databases of one staging: what is replaced, only read here, and what replaces it, in a transaction of the caller's. Rows come
 * over into temporary tables `c_<table>`; `m_<table>` says which id (`old`) of theirs became which (`new`).
 */
export class Ground {
  readonly from: Session
  readonly to: Session
  readonly catalog: Catalog
  readonly #fromCatalog: Catalog
  readonly #references: ReadonlyMap<string, readonly Reference[]>
  /** temporary tables that stand, with the table whose rows they take */
  readonly #tables = new Map<string, string>()
  /** rows in them */
  readonly #rows = new Map<string, number>()
  readonly #mapped = new Set<string>()
  #isDry = false

  private constructor(
    from: Session,
    to: Session,
    catalogs: { from: Catalog; to: Catalog },
    references: ReadonlyMap<string, readonly Reference[]>,
  ) {
    this.from = from
    this.to = to
    this.catalog = catalogs.to
    this.#fromCatalog = catalogs.from
    this.#references = references
  }

  /** Nothing has come over yet. What temporary tables stand is looked at: a transaction that was rolled back took its own with it. */
  async forget(): Promise<void> {
    this.#rows.clear()
    const rows = await this.to.query<{ name: string }>(
      'carry.standing',
      'select relname as name from pg_class where relnamespace = pg_my_temp_schema()',
    )
    const standing = new Set(rows.map(({ name }) => name))
    for (const name of this.#tables.keys()) if (!standing.has(name)) this.#tables.delete(name)
    for (const table of this.#mapped) if (!standing.has(`m_${table}`)) this.#mapped.delete(table)
  }

  /** Makes the temporary tables that `work` uses, so that it need not when staging stands still; nothing comes over. */
  async makeTables(work: () => Promise<unknown>): Promise<void> {
    this.#isDry = true
    try {
      await work()
    } finally {
      this.#isDry = false
    }
  }

  /** Have any rows come over? */
  isEmpty(table: string): boolean {
    return (this.#rows.get(`c_${table}`) ?? 0) === 0
  }

  get fromCatalog(): Catalog {
    return this.#fromCatalog
  }

  static async open(from: Session, to: Session): Promise<Ground> {
    const catalogs = { from: await Catalog.read(from), to: await Catalog.read(to) }
    const rows = await to.query<Reference & { table: string }>('carry.references', REFERENCES)
    const references = new Map<string, Reference[]>()
    for (const { table, column, target } of rows) {
      references.set(table, [...(references.get(table) ?? []), { column, target }])
    }
    return new Ground(from, to, catalogs, references)
  }

  /** Do both have it? */
  has(table: string, column?: string): boolean {
    return this.catalog.has(table, column) && this.#fromCatalog.has(table, column)
  }

  /** Columns that both have, in the new one's order. */
  columns(table: string): string[] {
    return this.catalog
      .columns(table)
      .map(({ name }) => name)
      .filter((name) => this.#fromCatalog.has(table, name))
  }

  /** By which other tables' rows are referred to. */
  references(table: string): readonly Reference[] {
    return (this.#references.get(table) ?? []).filter(({ column }) => this.has(table, column))
  }

  /** Rows of one of Koji's tables into `c_<table>`, beside those that are there. `where`: SQL in the old database; empty: none. */
  async pull(table: string, where: string): Promise<number> {
    if (!this.has(table)) return 0
    const names = this.columns(table)
    const columns = names.map((name) => ({ name, type: this.catalog.column(table, name)?.sqlType ?? 'text' }))
    const list = names.map((name) => `t."${name}"`).join(', ')
    const select = where === '' ? '' : `select ${list} from "${table}" t where ${where}`
    return this.pullAs(table, `c_${table}`, columns, select)
  }

  /** What a query of the old database answers, into a temporary table. `table`: whose rows they are, for `referred`. */
  async pullAs(
    table: string | null,
    name: string,
    columns: readonly { readonly name: string; readonly type: string }[],
    select: string,
  ): Promise<number> {
    if (!this.#tables.has(name)) {
      const defined = columns.map((column) => `"${column.name}" ${column.type}`).join(', ')
      await this.to.query('carry.temporary', `create temp table ${name} (${defined})`)
      this.#tables.set(name, table ?? '')
    }
    if (select === '' || this.#isDry) return 0
    const out = this.from.client.query(copyTo(`copy (${select}) to stdout`))
    const into = this.to.client.query(copyFrom(`copy ${name} from stdin`))
    await this.to.step('sql.carry.pull', { name })
    try {
      await pipeline(out, into)
    } catch (error) {
      throw classify(error, `carry.pull.${name}`)
    }
    this.#rows.set(name, (this.#rows.get(name) ?? 0) + into.rowCount)
    return into.rowCount
  }

  /** Rows that were put into `c_<table>` otherwise. */
  added(table: string, count: number): void {
    this.#rows.set(`c_${table}`, (this.#rows.get(`c_${table}`) ?? 0) + count)
  }

  /** Makes sure that `c_<table>` and `m_<table>` exist, empty. */
  async prepare(tables: readonly string[]): Promise<void> {
    for (const table of tables) {
      if (!this.has(table)) continue
      await this.pull(table, '')
      if (this.has(table, 'id') && !this.#mapped.has(table)) {
        this.#mapped.add(table)
        await this.to.query(
          'carry.map',
          `create temp table m_${table} (old bigint primary key, new bigint not null, made boolean not null default false)`,
        )
      }
    }
  }

  /** SQL: ids of a table that the rows which came over refer to; those of `tables` alone when given. */
  referred(target: string, tables: readonly string[] | null = null): string {
    const parts: string[] = []
    for (const [name, table] of this.#tables) {
      if (name !== `c_${table}` || this.isEmpty(table) || (tables !== null && !tables.includes(table)))
        continue
      for (const reference of this.references(table)) {
        if (reference.target !== target) continue
        parts.push(`select "${reference.column}" as id from ${name} where "${reference.column}" is not null`)
      }
    }
    return parts.length === 0 ? 'select null::int as id where false' : parts.join(' union ')
  }

  /** A table of its own for rows of another, like it and with a column more. */
  async scratch(name: string, like: string, more: string): Promise<void> {
    if (this.#tables.has(name)) return
    await this.to.query('carry.temporary', `create temp table ${name} (like ${like}, ${more})`)
    this.#tables.set(name, '')
  }

  /** Values of a query in the new database, as an SQL list for the old one. */
  async list(select: string): Promise<string> {
    const [row] = await this.to.query<{ ids: string }>(
      'carry.ids',
      `select coalesce(array_agg(id), '{}')::int[]::text as ids from (${select}) as s(id)`,
    )
    return `any('${row?.ids ?? '{}'}'::int[])`
  }

  /**
   * Gives the rows of `c_<table>` that `where` (SQL over alias `o`) chooses an id: their own where it is free and not one that prod will
   * give (`mayKeep`), else the next one.
   */
  async assign(table: string, where: string, mayKeep: string): Promise<number> {
    if (this.isEmpty(table)) return 0
    const { sequence } = this.catalog.idSequence(table)
    return this.to.change(
      `carry.assign.${table}`,
      `insert into m_${table} (old, new, made)
       select o.id, case when (${mayKeep}) and not exists (select 1 from "${table}" n where n.id = o.id) then o.id
                         else nextval('${sequence}') end, true
         from c_${table} o
        where (${where}) and not exists (select 1 from m_${table} m where m.old = o.id) order by o.id`,
    )
  }

  /** The rows of `c_<table>`, alias `o`, as they are in the new database: SQL of the select list and the joins. */
  mapped(table: string): { readonly names: string[]; readonly select: string; readonly joins: string } {
    const names = this.columns(table)
    const targets = new Map(this.references(table).map(({ column, target }) => [column, target]))
    const joins: string[] = []
    const cells = names.map((name) => {
      const target = name === 'id' && this.#mapped.has(table) ? table : targets.get(name)
      if (target === undefined || !this.#mapped.has(target)) return `o."${name}"`
      const alias = `j${joins.length}`
      joins.push(`left join m_${target} ${alias} on ${alias}.old = o."${name}"`)
      return `${alias}.new::int as "${name}"`
    })
    return { names, select: cells.join(', '), joins: joins.join(' ') }
  }

  /**
   * Makes the rows of `c_<table>` that `where` chooses (SQL over alias `o`). One that needs what did not come over is left out where
   * its column may not be empty, else the column is.
   */
  async make(table: string, where = 'true', onConflict = ''): Promise<number> {
    if (!this.has(table) || this.isEmpty(table)) return 0
    const { names, select, joins } = this.mapped(table)
    const needed = names
      .filter((name) => this.catalog.column(table, name)?.nullable === false)
      .map((name) => `r."${name}" is not null`)
    const list = names.map((name) => `"${name}"`).join(', ')
    return this.to.change(
      `carry.make.${table}`,
      `insert into "${table}" (${list}) select ${list} from (select ${select} from c_${table} o ${joins} where ${where}) r
        where ${needed.length === 0 ? 'true' : needed.join(' and ')} ${onConflict}`,
    )
  }
}

/** Of a key of several columns the first, as in `rpminfo (build_id, draft)`. */
const REFERENCES = `
  select distinct c.relname as "table", a.attname as "column", f.relname as target
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    join pg_class f on f.oid = k.confrelid
    join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_attribute t on t.attrelid = k.confrelid and t.attnum = k.confkey[1] and t.attname = 'id'
   where k.contype = 'f' and c.relnamespace = 'public'::regnamespace
   order by 1, 2`
