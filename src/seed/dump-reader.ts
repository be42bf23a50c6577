import { SyncError } from '../errors.ts'
import { StatementScan } from './dump-scan.ts'

/** Of one statement; a dump of a Koji has none of a hundredth of this. */
const MAX_STATEMENT = 64 * 1024 * 1024

/** What pg_dump and pg_restore write as the last thing of a script. */
const TRAILER = '-- PostgreSQL database dump complete'

/** The end of a block of COPY: a line of a backslash and a dot. */
const COPY_END = Buffer.from('\n\\.\n')

/**
 * Reads an SQL script as pg_dump makes it: statement by statement, blocks of COPY as bytes. Comments are passed over, psql's own
 * commands come as statements that begin with a backslash. A `\.` line ends COPY data as in psql.
 *
 * Throws SyncError SEED_DUMP_TORN where the script ends within something, SEED_DUMP_STATEMENT for one without end.
 */
export class DumpReader {
  /** true: the last line that pg_dump writes was there */
  complete = false
  readonly #source: AsyncIterator<Buffer>
  #bytes: Buffer = Buffer.alloc(0)
  #ended = false

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next statement with its semicolon, or a line that begins with a backslash; null: there is none. */
  async next(): Promise<string | null> {
    if (!(await this.#toStatement())) return null
    if (this.#bytes[0] === 0x5c) return (await this.#line()).toString('utf8').trim()
    const scan = new StatementScan()
    for (;;) {
      const found = scan.scan(this.#bytes, this.#ended)
      if (found !== 'need more') return this.#take(found.end).toString('utf8')
      if (this.#bytes.length > MAX_STATEMENT) {
        throw new SyncError(
          'SEED_DUMP_STATEMENT',
          `the dump has a statement without an end: ${this.#start()}`,
        )
      }
      if (!(await this.#more())) throw torn(`within the statement ${this.#start()}`)
    }
  }

  /** The data that follows a statement `COPY ... FROM stdin`, without the line that ends it. Must be read to its end. */
  async *copyData(table: string): AsyncGenerator<Buffer> {
    // The statement's own line ends first.
    await this.#line()
    let atLineStart = true
    for (;;) {
      if (atLineStart) {
        while (this.#bytes.length < 3 && (await this.#more())) {}
        if (this.#bytes.subarray(0, 3).equals(COPY_END.subarray(1))) {
          this.#take(3)
          return
        }
        atLineStart = false
      }
      const end = this.#bytes.indexOf(COPY_END)
      if (end >= 0) {
        const data = this.#take(end + 1)
        this.#take(COPY_END.length - 1)
        yield data
        return
      }
      // The end may have begun within the last bytes.
      if (this.#bytes.length > COPY_END.length) yield this.#take(this.#bytes.length - COPY_END.length)
      if (!(await this.#more())) throw torn(`within the rows of ${table}`)
    }
  }

  /** Passes over blanks and comments; false: nothing else came. */
  async #toStatement(): Promise<boolean> {
    for (;;) {
      const text = this.#bytes.subarray(0, 4096).toString('latin1')
      const blank = /^\s+/.exec(text)?.[0].length ?? 0
      if (blank > 0) this.#take(blank)
      else if (this.#bytes.length < 2) {
        if (await this.#more()) continue
        return this.#bytes.length > 0
      } else if (text.startsWith('--')) {
        const line = (await this.#line()).toString('utf8').trim()
        if (line === TRAILER) this.complete = true
      } else return true
    }
  }

  /** Up to the end of the line, or of everything. */
  async #line(): Promise<Buffer> {
    let from = 0
    for (;;) {
      const end = this.#bytes.indexOf(0x0a, from)
      if (end >= 0) return this.#take(end + 1)
      from = this.#bytes.length
      if (!(await this.#more())) return this.#take(this.#bytes.length)
    }
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const next = await this.#source.next()
    if (next.done === true) {
      this.#ended = true
      return false
    }
    this.#bytes = this.#bytes.length === 0 ? next.value : Buffer.concat([this.#bytes, next.value])
    return true
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length)
    this.#bytes = this.#bytes.subarray(length)
    return taken
  }

  #start(): string {
    return this.#bytes.subarray(0, 80).toString('utf8').replace(/\s+/g, ' ')
  }
}

/** `where` the script ends. */
export function torn(where: string): SyncError {
  return new SyncError(
    'SEED_DUMP_TORN',
    `the dump is not whole: it ends ${where}. It was cut off while it was made or copied; nothing of it is used`,
  )
}
