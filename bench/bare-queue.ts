import pg from 'pg'

/**
 * The least that a queue in a table can be, for floors: one index, SKIP LOCKED, a claim and a delete for each batch. No
 * priorities, tokens, generations or leases that end.
 */
export class BareQueue {
  readonly #pool: pg.Pool

  private constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  static async open(url: string, options: { connections: number; keys: number }): Promise<BareQueue> {
    const pool = new pg.Pool({ connectionString: url, max: options.connections })
    await pool.query(`drop table if exists bare_queue;
      create table bare_queue (key text primary key, due_at timestamptz not null default now(), claimed_at timestamptz);
      create index on bare_queue (due_at)`)
    await pool.query(
      `insert into bare_queue (key) select 'tagged/' || n % 50 || '/' || n from generate_series(1, $1::int) n`,
      [options.keys],
    )
    return new BareQueue(pool)
  }

  /** How many there were. */
  async claimAndDelete(limit: number): Promise<number> {
    const { rows } = await this.#pool.query<{ key: string }>({
      name: 'claim',
      text: `update bare_queue set claimed_at = now() where key in
        (select key from bare_queue where claimed_at is null order by due_at limit $1 for update skip locked) returning key`,
      values: [limit],
    })
    if (rows.length === 0) return 0
    const keys = rows.map(({ key }) => key)
    await this.#pool.query({
      name: 'delete',
      text: 'delete from bare_queue where key = any($1)',
      values: [keys],
    })
    return rows.length
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }
}
