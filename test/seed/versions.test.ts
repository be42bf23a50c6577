import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { MIGRATIONS } from '../../src/context/engine.ts'
import { rewriteOf } from '../../src/operations/seed-wishes.ts'
import { loadDump } from '../../src/seed/load.ts'
import { type PreparedRows, prepareRows, prepareSeed } from '../../src/seed/prepare.ts'
import { Session } from '../../src/seed/session.ts'
import { Database } from '../../src/staging/database.ts'
import { noStep } from '../../src/step.ts'
import { testDatabase } from '../support/postgres.ts'
import { dumpKoji } from './dump.ts'

it.each(['1.21.0', '1.30.0', 'HEAD'] as const)('makes a staging of a dump of Koji %s', async (version) => {
  const prod = await testDatabase({ koji: version })
  const staging = await testDatabase({ koji: 'none' })
  const fill = await Session.open({ url: prod.url, step: noStep })
  await fill.query(
    'fill',
    `insert into users (name, usertype, status, password) values ('ada', 0, 0, 'secret'), ('builder', 1, 0, null);
     insert into user_krb_principals (user_id, krb_principal) select id, name from users;
     insert into host (user_id, name, ready) select id, name, true from users where usertype = 1;
     insert into host_config (host_id, arches, enabled, create_event, creator_id)
       select h.id, 'x86_64', true, get_event(), h.user_id from host h;
     insert into tag (name) values ('kept'), ('other');
     insert into tag_config (tag_id, arches, locked, create_event, creator_id)
       select t.id, 'x86_64 ppc64le', true, get_event(), u.id from tag t, users u where u.name = 'ada';
     insert into tag_extra (tag_id, key, value, create_event, creator_id)
       select t.id, k, 'true', get_event(), u.id from tag t, users u, unnest(array['repo.auto', 'gone', 'stays']) k where u.name = 'ada';
     insert into package (name) values ('bash');
     insert into build (volume_id, pkg_id, version, release, create_event, state, owner)
       select 0, p.id, '1', '1', get_event(), s, u.id from package p, users u, (values (0)) v(s) where u.name = 'ada'`,
  )
  await fill.close()
  const text = await dumpKoji(prod.url, version)
  const session = await Session.open({ url: staging.url, step: noStep })
  const database = await Database.create({
    url: staging.url,
    applicationName: 'test',
    poolSize: 2,
    connectTimeoutMs: 10_000,
    step: noStep,
  })
  try {
    const sql = Readable.from([Buffer.from(text)])
    const dump = {
      name: 'a dump',
      format: 'plain',
      totalBytes: null,
      readBytes: () => 0,
      sql,
      close: () => {},
    } as const
    const common = {
      session,
      database,
      wishes: {
        channels: ['new'],
        keepGrants: false,
        users: [{ name: 'ada', permissions: ['admin'], contentGenerators: ['osbs'], principals: [] }],
        hosts: [{ name: 'other', arches: ['s390x'], channels: ['default'], capacity: 2, principals: [] }],
        principals: [{ match: '^ada$', replace: 'ada@STG' }],
        repoUrls: [],
        tagRewrite: rewriteOf({
          tagRewrite: [{ tags: ['k*'], arches: ['x86_64'], extra: { 'repo.auto': false, gone: null } }],
        }),
        placeBuilds: {
          byBuild: true,
          needsTags: true,
          scope: { builds: 'tagged' as const, names: () => true },
          choose: () => ({ mode: 'volume', volume: 'prod', withoutFiles: false }),
        },
      },
      migrations: MIGRATIONS,
      idFloor: 1_000_000_000,
    }
    const found: PreparedRows[] = []
    await loadDump({
      dump,
      session,
      isLeftOut: (table) => table === 'sessions',
      onRows: async () => {
        found.push(await prepareRows({ ...common, ownTables: [], checkEvent: async () => {} }))
      },
      signal: new AbortController().signal,
    })
    const report = await prepareSeed({
      ...common,
      userName: 'koji-staging-sync',
      prodHub: 'https://koji.example.org/kojihub',
      replaced: new Map([['public.repo_id_seq', 1_700_000_000]]),
      rows: found[0] as PreparedRows,
    })
    expect(report.resets).toEqual(
      expect.arrayContaining([
        { table: 'build', what: 'unfinished ones canceled', rows: 1 },
        { table: 'host_config', what: 'hosts disabled', rows: 1 },
        { table: 'users', what: 'passwords removed', rows: 1 },
      ]),
    )
    const tags = await session.query(
      'tags',
      `select t.name, c.arches, c.locked, (select string_agg(x.key || '=' || x.value, ' ' order by x.key) from tag_extra x
         where x.tag_id = t.id and x.active) as extra from tag t join tag_config c on c.tag_id = t.id and c.active order by 1`,
    )
    expect(tags).toEqual([
      { name: 'kept', arches: 'x86_64', locked: true, extra: 'repo.auto=false stays=true' },
      { name: 'other', arches: 'x86_64 ppc64le', locked: true, extra: 'gone=true repo.auto=true stays=true' },
    ])
    const [row] = await session.query<{ last: number }>('last', 'select last_value as last from repo_id_seq')
    expect(row?.last).toBe(1_700_100_000)
  } finally {
    await database.destroy()
    await session.close()
    await staging.drop()
    await prod.drop()
  }
})
