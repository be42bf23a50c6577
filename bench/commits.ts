import pg from 'pg'

/** One change as it becomes visible in a database: `tag:<tag>:<build>`, `untag:<tag>:<build>`, `build:<id>`, `sign:<rpm>:<key>`. */
type Subject = string

const CHANNEL = 'bench_commits'

const TRIGGERS = `
create function bench_commits() returns trigger language plpgsql as $$
begin
  perform pg_notify('${CHANNEL}', case tg_argv[0]
    when 'tag' then 'tag:' || (to_jsonb(new)->>'tag_id') || ':' || (to_jsonb(new)->>'build_id')
    when 'untag' then 'untag:' || (to_jsonb(new)->>'tag_id') || ':' || (to_jsonb(new)->>'build_id')
    when 'build' then 'build:' || (to_jsonb(new)->>'id')
    else 'sign:' || (to_jsonb(new)->>'rpm_id') || ':' || (to_jsonb(new)->>'sigkey') end);
  return null;
end $$;
create trigger bench_tag after insert on tag_listing for each row execute function bench_commits('tag');
create trigger bench_untag after update on tag_listing for each row when (new.active is null)
  execute function bench_commits('untag');
create trigger bench_build after insert on build for each row when (new.state = 1) execute function bench_commits('build');
create trigger bench_sign after insert on rpmsigs for each row when (new.sigkey <> '') execute function bench_commits('sign')`

/**
 * Sees commits from outside of the product: triggers in the bench's own copy of Koji's tables notify, and PostgreSQL delivers
 * a notification only when its transaction is committed, that is, is durable and visible. The time is taken in this
 * process as the notification arrives, by the clock that timed the sending, so no two clocks are compared. Product and floor
 * are seen the same way.
 */
export class Commits {
  readonly #client: pg.Client
  readonly #waiting = new Map<Subject, (atMs: number) => void>()

  private constructor(client: pg.Client) {
    this.#client = client
    client.on('notification', ({ payload }) => {
      const atMs = performance.now()
      const seen = this.#waiting.get(payload ?? '')
      this.#waiting.delete(payload ?? '')
      seen?.(atMs)
    })
  }

  static async watch(databaseUrl: string): Promise<Commits> {
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    await client.query(TRIGGERS)
    await client.query(`listen ${CHANNEL}`)
    return new Commits(client)
  }

  /** Resolves with the time (performance.now) of the next commit of the subject. Rejects after `timeoutMs`. */
  next(subject: Subject, timeoutMs: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(subject)
        reject(new Error(`${subject} was not committed within ${timeoutMs} ms`))
      }, timeoutMs)
      this.#waiting.set(subject, (atMs) => {
        clearTimeout(timer)
        resolve(atMs)
      })
    })
  }

  /** Takes the triggers away again. */
  async close(): Promise<void> {
    await this.#client.query('drop function bench_commits cascade')
    await this.#client.end()
  }
}
