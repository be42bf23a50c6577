import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

/**
 * A server of this machine's own PostgreSQL, on 127.0.0.1, fsync on: one that its pg_dump and psql fit to. Superuser `koji`, no
 * password. One that is kept has its data in a directory of the caller's, and finds it there the next time.
 */
export class SystemPostgres {
  readonly #programs: string
  readonly #folder: string
  readonly #port: number
  readonly #isKept: boolean

  private constructor(programs: string, folder: string, port: number, isKept: boolean) {
    this.#programs = programs
    this.#folder = folder
    this.#port = port
    this.#isKept = isKept
  }

  /** `keep`: the directory of one that is kept. Throws when there is no PostgreSQL. */
  static async start({ keep }: { readonly keep?: string | undefined } = {}): Promise<SystemPostgres> {
    const programs = await findPrograms()
    const folder = keep ?? (await mkdtemp(join(tmpdir(), 'koji-staging-sync-bench-pg-')))
    const server = new SystemPostgres(programs, folder, await freePort(), keep !== undefined)
    if (!existsSync(join(folder, 'data', 'PG_VERSION'))) await server.#create()
    const flags = `-p ${server.#port} -h 127.0.0.1 -k '' -c shared_buffers=256MB -c max_wal_size=4GB`
    await server.#as('pg_ctl', '-D', join(folder, 'data'), '-w', '-l', '/dev/null', '-o', flags, 'start')
    return server
  }

  async #create(): Promise<void> {
    const data = join(this.#folder, 'data')
    await mkdir(this.#folder, { recursive: true })
    await chmod(this.#folder, 0o755)
    await mkdir(data, { mode: 0o700 })
    if (userInfo().uid === 0) await chown(data, ...(await postgresUser()))
    await this.#as('initdb', '-D', data, '-U', 'koji', '--locale=C', '--encoding=UTF8', '-A', 'trust')
  }

  url(database: string): string {
    return `postgresql://koji@127.0.0.1:${this.#port}/${database}`
  }

  /** Of this server's version. */
  program(name: 'pg_dump' | 'pg_restore' | 'psql'): string {
    return join(this.#programs, name)
  }

  async execute(database: string, sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.url(database) })
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  }

  async remove(): Promise<void> {
    const how = this.#isKept ? 'fast' : 'immediate'
    await this.#as('pg_ctl', '-D', join(this.#folder, 'data'), '-m', how, 'stop').catch(() => {})
    if (this.#isKept) return
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** PostgreSQL does not run as root. */
  async #as(name: string, ...argv: string[]): Promise<void> {
    const command = [join(this.#programs, name), ...argv]
    const [file = '', ...rest] =
      userInfo().uid === 0 ? ['runuser', '-u', 'postgres', '--', ...command] : command
    await run(file, rest, { cwd: '/' })
  }
}

async function findPrograms(): Promise<string> {
  try {
    return (await run('pg_config', ['--bindir'])).stdout.trim()
  } catch {
    const found = (await run('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin'])).stdout
      .trim()
      .split('\n')
      .sort()
      .at(-1)
    if (found === undefined || found === '')
      throw new Error('no PostgreSQL on this machine: pg_dump, psql and initdb are needed')
    return found
  }
}

async function postgresUser(): Promise<[uid: number, gid: number]> {
  const { stdout } = await run('id', ['-u', 'postgres'])
  const group = await run('id', ['-g', 'postgres'])
  return [Number(stdout), Number(group.stdout)]
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
