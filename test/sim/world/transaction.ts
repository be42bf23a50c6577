import type pg from 'pg'
import type { BuildTree } from './tree.ts'

/** What a hub announces after a commit: the last part of the topic, and the body. */
export interface Announcement {
  topic: string
  body: Record<string, unknown>
}

/** A row as the database has it. */
export type Row = Record<string, unknown>

/** One transaction of a hub: everything in it shares one event (kojihub/db.py, get_event caches it). */
export class Tx {
  readonly userId: number
  readonly tree: BuildTree | undefined
  readonly announcements: Announcement[] = []
  /** Work on files that happens when the rows are written. */
  readonly #client: pg.ClientBase
  readonly #columns: Map<string, Set<string>>
  #event: number | undefined

  constructor(
    client: pg.ClientBase,
    columns: Map<string, Set<string>>,
    userId: number,
    tree: BuildTree | undefined,
  ) {
    this.#client = client
    this.#columns = columns
    this.userId = userId
    this.tree = tree
  }

  async rows(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.#client.query(sql, values)).rows as Row[]
  }

  /** The transaction's event, taken at its first use. */
  async event(): Promise<number> {
    this.#event ??= Number((await this.rows('SELECT get_event() AS id'))[0]?.id)
    return this.#event
  }

  /** The next call takes an event of its own, as each call of a multiCall does. */
  nextCall(): void {
    this.#event = undefined
  }

  /** True when this version's schema has the column. */
  has(table: string, column: string): boolean {
    return this.#columns.get(table)?.has(column) ?? false
  }

  /** Inserts a row, leaving out columns that this version lacks; returns the row. */
  async insert(table: string, row: Row): Promise<Row> {
    const names = Object.keys(row).filter((name) => row[name] !== undefined && this.has(table, name))
    const places = names.map((_, index) => `$${index + 1}`)
    const sql = `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')}) RETURNING *`
    return (
      await this.rows(
        sql,
        names.map((name) => row[name]),
      )
    )[0] as Row
  }

  /** Inserts a versioned row that is in force from this transaction's event on. */
  async create(table: string, row: Row): Promise<void> {
    await this.insert(table, { ...row, create_event: await this.event(), creator_id: this.userId })
  }

  /** Revokes the rows in force that match; returns how many. */
  async revoke(table: string, match: Row): Promise<number> {
    const names = Object.keys(match)
    const where = names.map((name, index) => `${name} = $${index + 3}`).join(' AND ')
    const found = await this.rows(
      `UPDATE ${table} SET active = NULL, revoke_event = $1, revoker_id = $2
       WHERE active = TRUE AND ${where} RETURNING 1`,
      [await this.event(), this.userId, ...names.map((name) => match[name])],
    )
    return found.length
  }

  /** The row in force that matches, if there is one. */
  async current(table: string, match: Row): Promise<Row | undefined> {
    const names = Object.keys(match)
    const where = names.map((name, index) => `${name} = $${index + 1}`).join(' AND ')
    const sql = `SELECT * FROM ${table} WHERE active = TRUE AND ${where}`
    return (
      await this.rows(
        sql,
        names.map((name) => match[name]),
      )
    )[0]
  }

  /** The id of a named thing; throws when there is none. */
  async id(table: string, nameOrId: string | number): Promise<number> {
    if (typeof nameOrId === 'number') return nameOrId
    const [row] = await this.rows(`SELECT id FROM ${table} WHERE name = $1`, [nameOrId])
    if (!row) throw new Error(`no ${table} ${nameOrId}`)
    return Number(row.id)
  }

  /** The id of a named thing, made when there is none. */
  async idOrNew(table: string, nameOrId: string | number): Promise<number> {
    if (typeof nameOrId === 'number') return nameOrId
    const [row] = await this.rows(`SELECT id FROM ${table} WHERE name = $1`, [nameOrId])
    return Number((row ?? (await this.insert(table, { name: nameOrId }))).id)
  }

  /** The name of a thing by its id. */
  async name(table: string, id: number): Promise<string> {
    return String((await this.rows(`SELECT name FROM ${table} WHERE id = $1`, [id]))[0]?.name)
  }

  /** Notes for the repos that a tag changed without a versioned row (set_tag_update). */
  async tagUpdate(tagId: number, type: number): Promise<void> {
    const row = {
      tag_id: tagId,
      update_event: await this.event(),
      updater_id: this.userId,
      update_type: type,
    }
    await this.insert('tag_updates', row)
  }

  /** To be sent when the transaction is committed. */
  announce(topic: string, body: Record<string, unknown>): void {
    this.announcements.push({ topic, body })
  }
}
