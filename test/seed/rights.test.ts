import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkRights } from '../../src/seed/rights.ts'
import { giveDatabaseRights, giveRights, limitConnections } from '../../src/seed/rights-give.ts'
import { type Rights, readRights } from '../../src/seed/rights-read.ts'
import { addressOf, Session } from '../../src/seed/session.ts'
import { endSessions, refuseUnendable } from '../../src/seed/sessions.ts'
import { noStep } from '../../src/step.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

const mark = randomBytes(4).toString('hex')
const [owner, seeder, service, reader, outsider] = ['owner', 'seeder', 'service', 'reader', 'outsider'].map(
  (name) => `${name}_${mark}`,
) as [string, string, string, string, string]
const next = `next_${mark}`

let old: TestDatabase
let admin: Session
let rights: Rights
let left: string[]
let notes: string[]

const open = (database?: string, role?: string): Promise<Session> => {
  const url = new URL(addressOf(old.url, database))
  if (role !== undefined) {
    url.username = role
    url.password = 'x'
  }
  return Session.open({ url: url.href, step: noStep })
}

const TABLES = `
  create table events (id int, time int);
  create table build (id int, state int, "odd ""name" text);
  create sequence build_id_seq;
  create view latest as select id from build;
  create function get_event() returns int language sql as 'select 1';
  create function get_event(n int) returns int language sql as 'select 2'`
const OURS = `
  create schema staging_sync;
  create table staging_sync.queue (id bigserial primary key, key text);
  create function staging_sync.now() returns int language sql as 'select 1'`

beforeAll(async () => {
  old = await testDatabase({ koji: 'none' })
  admin = await open()
  await admin.query(
    'test',
    `create role ${owner}; create role ${outsider}; create role ${seeder} login createdb password 'x' in role ${owner};
     create role ${service} login password 'x'; create role ${reader}`,
  )
  const [row] = await admin.query<{ name: string }>('test', 'select current_database() as name')
  const name = row?.name ?? ''
  await admin.query(
    'test',
    `alter database ${name} owner to ${owner}; revoke connect, temporary on database ${name} from public;
     grant connect on database ${name} to ${service} with grant option; alter database ${name} connection limit 77;
     alter database ${name} set search_path to "$user", public, "it's ""x"; alter database ${name} set bytea_output to 'escape';
     alter role ${service} in database ${name} set work_mem to '5MB'`,
  )
  await admin.query(
    'test',
    `set role ${owner}; ${TABLES}; ${OURS}; create table gone (id int); reset role;
     alter table latest owner to ${reader}; grant ${reader} to ${seeder};
     grant usage on schema public to ${service}; revoke usage on schema public from public;
     grant select (id, state), insert (id), update ("odd ""name") on build to ${service}; grant select on gone to ${reader};
     revoke delete on build from ${owner}; grant select on events to ${service} with grant option;
     grant usage on sequence build_id_seq to ${service}; revoke execute on function get_event(int) from public;
     grant select, insert on staging_sync.queue to ${service}; grant usage on schema staging_sync to ${service};
     grant usage on sequence staging_sync.queue_id_seq to ${service};
     alter default privileges for role ${owner} in schema staging_sync grant select on tables to ${service};
     alter default privileges for role ${owner} revoke execute on routines from public;
     alter default privileges for role ${outsider} grant select on tables to ${reader}`,
  )
  const running = await open(undefined, seeder)
  rights = await readRights(running)
  await checkRights(running, rights)
  await running.query('test', `create database ${next} owner ${owner} template template0`)
  await running.close()
  const session = await open(next, seeder)
  left = await giveDatabaseRights(session, rights)
  await session.query('test', `${TABLES}; ${OURS}; create table staging_sync.later (id int)`)
  notes = await session.transaction('test', () => giveRights(session, rights))
  await limitConnections(session, rights)
  await session.close()
})

afterAll(async () => {
  await admin?.query('test', `drop database if exists ${next}`)
  await admin?.close()
  await old?.drop()
  const last = await open('postgres')
  await last.query('test', `drop role ${[owner, seeder, service, reader, outsider].join(', ')}`)
  await last.close()
})

/** Whatever a catalog says of rights, as text. */
const SHOWN = `
  with acls as (
    select relkind::text || ' ' || relname as what, pg_get_userbyid(relowner) as owner, coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner)) as acl
      from pg_class where relnamespace in ('public'::regnamespace, 'staging_sync'::regnamespace) and relkind in ('r', 'v', 'S')
    union all select attrelid::regclass::text || '.' || attname, '', attacl from pg_attribute where attacl is not null and attrelid > 16384
    union all select proname || pronargs, pg_get_userbyid(proowner), coalesce(proacl, acldefault('f', proowner)) from pg_proc
      where pronamespace in ('public'::regnamespace, 'staging_sync'::regnamespace)
    union all select nspname, pg_get_userbyid(nspowner), nspacl from pg_namespace where nspname in ('public', 'staging_sync')
    union all select 'database ' || datconnlimit, pg_get_userbyid(datdba), datacl from pg_database where datname = current_database()
    union all select 'default ' || defaclnamespace::regnamespace::text || defaclobjtype::text, pg_get_userbyid(defaclrole), defaclacl from pg_default_acl)
  select what, owner, (select array_agg(a::text order by a::text) from unnest(acl) a) as acl from acls order by 1, 2, 3`

async function shown(database?: string): Promise<{ what: string }[]> {
  const session = await open(database)
  try {
    return await session.query('test', SHOWN)
  } finally {
    await session.close()
  }
}

describe('a new database, made by a role that is no superuser', () => {
  it('has the owners and rights of the other: columns, functions, sequences, our schema, who may connect, what is born', async () => {
    const was = (await shown()).filter(({ what }) => what !== 'r gone')
    const is = await shown(next)
    const outsiders = `default -r`
    expect(is.filter(({ what }) => what !== 'r later')).toEqual(was.filter(({ what }) => what !== outsiders))
    expect(was.filter(({ what }) => what === outsiders)).toHaveLength(1)
  })

  it('gives what is new in it the rights that its owner gives to new things', async () => {
    const later = (await shown(next)).find(({ what }) => what === 'r later')
    expect(later).toMatchObject({
      owner,
      acl: [expect.stringContaining(owner), `${service}=r/${owner}`],
    })
  })

  it('has its settings, also lists and quotes', async () => {
    const session = await open(next)
    const rows = await session.query(
      'test',
      `select current_setting('search_path') as path, current_setting('bytea_output') as output`,
    )
    await session.close()
    expect(rows).toEqual([{ path: `"$user", public, "it's ""x"`, output: 'escape' }])
  })

  it('names what could not be carried over, and what its rights were on that is no more', () => {
    expect(left).toEqual([
      expect.stringMatching(/^alter role "service_\w+" in database "t_\w+" set "work_mem" to '5MB'$/),
    ])
    expect(notes).toEqual([
      expect.stringContaining(
        `alter default privileges for role "${outsider}" grant SELECT on tables to ${reader}`,
      ),
      expect.stringContaining('gone with it: public.gone'),
      expect.stringContaining('new in this database: staging_sync.later'),
    ])
  })
})

describe('connections that a swap has to end', () => {
  it('are named where they may not be, and ended where they may, also by a role that may not see what they do', async () => {
    const postgres = await open('postgres')
    // Ours, a superuser's, would be in the way of all that follows.
    await admin.close()
    const seeding = await open('postgres', seeder)
    const theirs = await open(undefined, service)
    await expect(refuseUnendable(seeding, [rights.database])).rejects.toMatchObject({
      code: 'SEED_SESSIONS',
      message: expect.stringContaining(`may not end 1 of ${service} (koji-staging-sync seed)`),
    })
    await postgres.query('test', `grant pg_signal_backend to ${seeder}`)
    await refuseUnendable(seeding, [rights.database])
    expect(await endSessions(seeding, rights.database)).toBe(1)
    await expect(theirs.query('test', 'select 1')).rejects.toThrow()
    await theirs.close()
    admin = await open()
    await expect(refuseUnendable(seeding, [rights.database])).rejects.toThrow(
      '1 of koji (koji-staging-sync seed), a superuser',
    )
    await seeding.close()
    await postgres.close()
  })
})

it('is refused to a role that may not own what the other one has, with the names', async () => {
  await admin.query(
    'test',
    `revoke ${owner}, ${reader} from ${seeder}; grant connect on database ${rights.database} to ${seeder}`,
  )
  const session = await open(undefined, seeder)
  const refusal = checkRights(session, rights).finally(() => session.close())
  await expect(refusal).rejects.toMatchObject({
    code: 'SEED_RIGHTS',
    message: expect.stringMatching(
      new RegExp(`no member of ${owner}, who owns .*no member of ${reader}, who owns Koji's tables`),
    ),
  })
})
