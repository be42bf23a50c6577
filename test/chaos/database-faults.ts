import pg from 'pg'
import { Relay } from '../e2e/relay.ts'
import type { E2eWorld } from '../e2e/world.ts'
import { type AnswerThief, answerThief } from '../support/answer-thief.ts'
import { SERVICE_ROLE, serviceUrl } from '../support/service-role.ts'

/** A server of staging's own, which may be stopped. */
export interface Server {
  /** `crash`: as if it were killed */
  restart(crash: boolean): Promise<void>
}

/** SQLSTATEs of what a server may answer to any statement: serialization failure, deadlock, lock timeout, disk full, out of memory, too many. */
export const SQLSTATES = [
  '40001',
  '40P01',
  '55P03',
  '53100',
  '53200',
  '53300',
  '57P01',
  '25006',
  '57014',
] as const

/** What befalls the connections of ours to staging's database, and the statements on them. */
export class DatabaseFaults {
  /** how ours get there */
  readonly url: string
  readonly #world: E2eWorld
  readonly #owner: pg.Pool
  readonly #way: Relay
  readonly #thief: AnswerThief | null
  readonly #server: Server | null
  #isArmed = false

  static async open(
    world: E2eWorld,
    stagingUrl: string,
    { thief, server }: { readonly thief: boolean; readonly server: Server | null },
  ): Promise<DatabaseFaults> {
    const url = serviceUrl(stagingUrl)
    const stealing = thief ? await answerThief(url) : null
    const way = await Relay.to(stealing?.url ?? url)
    return new DatabaseFaults(world, stagingUrl, way, stealing, server)
  }

  private constructor(
    world: E2eWorld,
    stagingUrl: string,
    way: Relay,
    thief: AnswerThief | null,
    server: Server | null,
  ) {
    this.#world = world
    this.#way = way
    this.#thief = thief
    this.#server = server
    this.url = way.url
    this.#owner = new pg.Pool({ connectionString: stagingUrl, max: 1 })
    this.#owner.on('error', () => {})
    this.#owner.on('connect', (client) => client.on('error', () => {}))
  }

  /** All connections of ours end, whatever they are at. */
  cut = async (): Promise<void> => {
    await this.#owner
      .query(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = $1 and datname = current_database()`,
        [SERVICE_ROLE],
      )
      .catch(() => {})
  }

  /** The server is gone for a moment. With no server of our own: nobody gets there, and whoever was there is cut. */
  async restart(crash: boolean, whileDown: () => Promise<void>): Promise<void> {
    if (this.#server !== null) {
      await this.#server.restart(crash)
      return
    }
    await this.#way.down()
    await this.cut()
    await whileDown()
    await this.#way.up()
  }

  /** The answer to the next commit of ours is lost. False: this plan's way cannot. */
  loseCommit(): boolean {
    void this.#thief?.steal('commit', 'COMMIT')
    return this.#thief !== null
  }

  async readOnly(on: boolean): Promise<void> {
    const [row] = await this.#world.sql<{ name: string }>('select current_database() as name')
    await this.#owner.query(
      `alter role "${SERVICE_ROLE}" in database ${row?.name} ${on ? 'set default_transaction_read_only = on' : 'reset default_transaction_read_only'}`,
    )
    await this.cut()
  }

  /** After `after` more changes of ours a statement fails with this SQLSTATE, once. */
  async failStatement(sqlstate: (typeof SQLSTATES)[number], after: number): Promise<void> {
    await this.arm()
    await this.#owner.query(
      `update chaos.fault set sqlstate = $1, at = (select last_value from chaos.seen) + $2`,
      [sqlstate, 1 + after],
    )
  }

  /** Statements of ours are counted where they happen: in the server. */
  async arm(): Promise<void> {
    if (!this.#isArmed) await this.#owner.query(ARM)
    this.#isArmed = true
  }

  async heal(): Promise<void> {
    if (this.#isArmed) await this.#owner.query('update chaos.fault set at = 0')
  }

  async close(): Promise<void> {
    await this.heal().catch(() => {})
    await this.#way.close()
    await this.#thief?.close()
    await this.#owner.end()
  }
}

/**
 * Events that need no row of theirs: staging's people may take one for nothing, and a reset deletes rows. Written down where it
 * happens, since nothing tells it afterwards.
 */
export async function keepBooks(world: E2eWorld): Promise<void> {
  await world.sql(`do $do$ begin
    if to_regclass('chaos.needs_no_row') is not null then return; end if;
    create schema if not exists chaos;
    create table chaos.needs_no_row (event bigint);
    create function chaos.of_people() returns trigger language plpgsql security definer as $$
      begin insert into chaos.needs_no_row values (new.id); return null; end $$;
    create trigger chaos_books after insert on events for each row when (session_user <> '${SERVICE_ROLE}')
      execute function chaos.of_people();
    create function chaos.gone() returns trigger language plpgsql security definer as $$
      begin insert into chaos.needs_no_row values (old.create_event), (old.revoke_event); return null; end $$;
    create trigger chaos_books after delete on tag_listing for each row execute function chaos.gone();
    create function chaos.moved() returns trigger language plpgsql security definer as $$
      begin insert into chaos.needs_no_row values (old.create_event); return null; end $$;
    create trigger chaos_books after update on build for each row when (old.create_event <> new.create_event)
      execute function chaos.moved();
  end $do$`)
}

/** Once a database: plans that follow one another share it. What a test puts beside Koji's tables, no product ever does. */
const ARM = `do $do$ declare t record; begin
  if to_regclass('chaos.fault') is not null then return; end if;
  create schema if not exists chaos;
  create sequence chaos.seen;
  create table chaos.fault (sqlstate text, at bigint);
  insert into chaos.fault values ('40001', 0);
  create function chaos.fail() returns trigger language plpgsql security definer as $$
    declare fault record; begin
      if session_user <> '${SERVICE_ROLE}' then return null; end if;
      select * into fault from chaos.fault;
      if fault.at > 0 and nextval('chaos.seen') = fault.at then
        raise exception 'by the test' using errcode = fault.sqlstate;
      end if;
      return null;
    end $$;
  for t in select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'r' and n.nspname in ('public', 'staging_sync') loop
    execute format('create trigger chaos after insert or update or delete on %I.%I for each statement execute function chaos.fail()',
      t.nspname, t.relname);
  end loop;
end $do$`
