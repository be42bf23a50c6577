import pg from 'pg'

const EVERY_MS = 20

/** Asks staging's database, as its hub does for a page of a tag, over and over; knows the longest that an answer took. */
export class Outage {
  readonly #client: pg.Client
  #longestMs = 0
  #ended = false
  #asking: Promise<void> = Promise.resolve()

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async watch(databaseUrl: string): Promise<Outage> {
    const client = new pg.Client({ connectionString: databaseUrl })
    // The statement tells.
    client.on('error', () => {})
    await client.connect()
    const outage = new Outage(client)
    outage.#asking = outage.#ask()
    return outage
  }

  /** Milliseconds. Throws when staging refused an answer. */
  async end(): Promise<number> {
    this.#ended = true
    await this.#asking
    await this.#client.end()
    return this.#longestMs
  }

  async #ask(): Promise<void> {
    while (!this.#ended) {
      const begun = performance.now()
      await this.#client.query(PAGE)
      this.#longestMs = Math.max(this.#longestMs, performance.now() - begun)
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
  }
}

const PAGE = `select b.id, p.name, b.version, b.release from tag_listing l join build b on b.id = l.build_id join package p on p.id = b.pkg_id
  where l.active and l.tag_id = (select min(id) from tag) order by l.create_event desc limit 50`
