import pg from 'pg'
import { ask } from '../test/sim/ask.ts'
import type { Struct, Value } from '../test/sim/wire-value.ts'
import type { Announcement } from '../test/sim/world/transaction.ts'

/**
 * What one would write in a day: follow the bus, ask prod's hub, write rows. One message after the other; no files, no retry, no catch-up,
 * no check of signatures, only rpm builds. Shares nothing with `src`.
 */
export class NaiveConsumer {
  readonly #hubUrl: string
  readonly #client: pg.Client

  private constructor(hubUrl: string, client: pg.Client) {
    this.#hubUrl = hubUrl
    this.#client = client
  }

  static async open(hubUrl: string, databaseUrl: string): Promise<NaiveConsumer> {
    const client = new pg.Client({ connectionString: databaseUrl })
    // The statement tells.
    client.on('error', () => {})
    await client.connect()
    return new NaiveConsumer(hubUrl, client)
  }

  async close(): Promise<void> {
    await this.#client.end()
  }

  async handle({ topic, body }: Announcement): Promise<void> {
    const message = body as Struct
    await this.#client.query('begin')
    if (topic === 'build.state.change' && message.new === 1) await this.#build(message.build_id as Value)
    else if (topic === 'tag') await this.#tag(message)
    await this.#client.query('commit')
  }

  async #tag(message: Struct): Promise<void> {
    const build = await this.#build(message.build_id as Value)
    const tag = await this.#named('tag', message.tag as string)
    const user = await this.#named('users', message.user as string)
    await this.#client.query(
      `update tag_listing set active = null, revoke_event = get_event(), revoker_id = $3
        where active and build_id = $1 and tag_id = $2`,
      [build, tag, user],
    )
    await this.#client.query('insert into tag_listing (build_id, tag_id, creator_id) values ($1, $2, $3)', [
      build,
      tag,
      user,
    ])
  }

  /** All rows of a build; its id in staging. */
  async #build(id: Value): Promise<number> {
    const build = (await ask(this.#hubUrl, 'getBuild', id)) as Struct
    const packageId = await this.#named('package', build.package_name as string)
    const owner = await this.#named('users', build.owner_name as string)
    const known = await this.#one(
      'select id from build where pkg_id = $1 and version = $2 and release = $3',
      [packageId, build.version, build.release],
    )
    if (known === null) {
      await this.#client.query(
        `insert into build (id, volume_id, pkg_id, version, release, epoch, source, state, owner, start_time, completion_time, create_event)
         values ($1, 0, $2, $3, $4, $5, $6, 1, $7, $8, $9, get_event())`,
        [
          build.id,
          packageId,
          build.version,
          build.release,
          build.epoch,
          build.source,
          owner,
          build.start_time,
          build.completion_time,
        ],
      )
      await this.#client.query(
        `insert into build_types (build_id, btype_id) select $1, id from btype where name = 'rpm'`,
        [build.id],
      )
    }
    const mine = known ?? (build.id as number)
    for (const rpm of (await ask(this.#hubUrl, 'listRPMs', id)) as Struct[]) {
      await this.#client.query(
        `insert into rpminfo (id, build_id, name, version, release, epoch, arch, external_repo_id, payloadhash, size, buildtime, metadata_only, draft)
         values ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, false, false) on conflict do nothing`,
        [
          rpm.id,
          mine,
          rpm.name,
          rpm.version,
          rpm.release,
          rpm.epoch,
          rpm.arch,
          rpm.payloadhash,
          rpm.size,
          rpm.buildtime,
        ],
      )
      for (const signature of (await ask(this.#hubUrl, 'queryRPMSigs', rpm.id as Value)) as Struct[])
        await this.#client.query(
          'insert into rpmsigs (rpm_id, sigkey, sighash) values ($1, $2, $3) on conflict do nothing',
          [signature.rpm_id, signature.sigkey, signature.sighash],
        )
    }
    return mine
  }

  async #named(table: 'package' | 'users' | 'tag', name: string): Promise<number> {
    const known = await this.#one(`select id from ${table} where name = $1`, [name])
    return (
      known ?? ((await this.#one(`insert into ${table} (name) values ($1) returning id`, [name])) as number)
    )
  }

  async #one(sql: string, values: unknown[]): Promise<number | null> {
    return (await this.#client.query(sql, values)).rows[0]?.id ?? null
  }
}
