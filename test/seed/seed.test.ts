import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openHere } from '../e2e/daemon.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command } from '../operations/command.ts'
import { dumpKoji } from './dump.ts'
import { besideOf, prodUrl } from './world.ts'

const CONFIG = `
[seed]
channels = ["osbuild", "container"]
[[external_repo_rewrite]]
match = '^https://kojipkgs\\.example\\.org/'
replace = 'https://kojipkgs.stg.example.org/'
[[principal_rewrite]]
match = '@PROD$'
replace = '@STG'
[[principal_rewrite]]
match = '^osbs/'
replace = 'osbs-stg/'
[[tag_rewrite]]
tags = ['f43']
arches = ['aarch64']
[[seed_user]]
name = 'boss'
permissions = ['admin', 'sign']
content_generators = ['osbs']
[[seed_user]]
name = 'newcomer'
principals = ['newcomer@STG']
[[seed_host]]
name = 'builder'
arches = ['x86_64']
channels = ['default', 'livemedia']
`

let world: E2eWorld
let file: string
let text: string
/** a transaction of prod's hub that is open while the dump is made: it has lower ids than others that the dump has */
let late: Awaited<ReturnType<E2eWorld['prod']['begin']>>

beforeAll(async () => {
  world = await e2eWorld({ init: false, config: CONFIG, role: 'owner' })
  await fillProd(world)
  await beginLate(world)
  text = await dumpKoji(await prodUrl(world))
  file = join(world.root, 'koji.dump')
  await writeFile(file, text)
})
afterAll(() => world?.close())

async function beginLate({ prod }: E2eWorld): Promise<void> {
  late = await prod.begin()
  world.closing(() => late.rollback().catch(() => {}))
  const [old] = await prod.rows(`select id from build where version = '1'`)
  await late.addRpms(Number(old?.id), [{ arch: 's390x' }])
  const born = await late.importBuild({ name: 'bash', version: '8', release: '1', rpms: [{ arch: 'src' }] })
  await late.tagBuild('f43', born.id)
  await prod.importBuild({ name: 'bash', version: '7', release: '1', rpms: [{ arch: 'src' }] })
}

/** What a production Koji holds and a staging must not, beside content. */
async function fillProd({ prod }: E2eWorld): Promise<void> {
  await prod.addTag('f43', { arches: 'x86_64' })
  await prod.addPackage('f43', 'bash')
  const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]
  const first = await prod.importBuild({ name: 'bash', version: '1', release: '1', rpms })
  const archived = await prod.importBuild({ name: 'bash', version: '2', release: '1', rpms })
  await prod.changeVolume(archived.id, 'archive-00')
  for (const { id } of [first, archived]) await prod.tagBuild('f43', id)
  const broken = await prod.startBuild({ name: 'bash', version: '3', release: '1' })
  await prod.failBuild(broken.id)
  const half = await prod.startBuild({ name: 'bash', version: '4', release: '1' })
  await prod.rows(`
    update build set volume_id = (select id from volume where name = 'archive-00') where id = ${broken.id};
    insert into users (name, usertype, status, password) values ('boss', 0, 0, 'secret'), ('osbs', 0, 0, null), ('builder', 1, 0, null),
      ('old-builder', 1, 0, null);
    insert into user_krb_principals (user_id, krb_principal) select id, name || '@PROD' from users where usertype = 0;
    insert into user_krb_principals (user_id, krb_principal) select id, 'host/secret@ELSEWHERE' from users where name = 'builder';
    insert into user_perms (user_id, perm_id, create_event, creator_id)
      select u.id, p.id, get_event(), u.id from users u, permissions p where u.name = 'boss' and p.name = 'admin';
    insert into host (user_id, name, ready) select id, name, true from users where usertype = 1;
    insert into host_config (host_id, arches, enabled, create_event, creator_id)
      select h.id, 'ppc64le', true, get_event(), u.id from host h, users u where u.name = 'boss';
    insert into sessions (user_id, key) select id, 'k' from users where name = 'boss';
    insert into task (state, owner, channel_id, method, arch) select s, u.id, 1, 'build', 'noarch' from users u, unnest(array[0, 1, 2, 4, 5]) s
      where u.name = 'boss';
    insert into buildroot (br_type) values (1);
    insert into repo (create_event, tag_id, state) select get_event(), id, 1 from tag where name = 'f43';
    insert into standard_buildroot (buildroot_id, host_id, repo_id, task_id, create_event, state)
      select b.id, h.id, r.id, t.id, get_event(), 2 from buildroot b, repo r, task t, host h where t.state = 1 and h.name = 'builder';
    insert into build_reservations (build_id, token, created) select ${half.id}, 't', now();
    insert into build_notifications (user_id, success_only, email) select id, true, 'ada@example.org' from users where name = 'boss';
    insert into external_repo (name) values ('epel');
    insert into external_repo_config (external_repo_id, url, create_event, creator_id)
      select r.id, 'https://kojipkgs.example.org/epel/', get_event(), u.id from external_repo r, users u
       where r.name = 'epel' and u.name = 'boss';
    insert into rpminfo (build_id, draft, name, version, release, arch, external_repo_id, payloadhash, size, buildtime)
      select ${half.id}, false, 'half', '4', '1', 'x86_64', 0, 'x', 1, 1;
    insert into archiveinfo (type_id, build_id, filename, size, checksum, checksum_type)
      select min(id), ${half.id}, 'half.img', 1, 'x', 0 from archivetypes;
    insert into archive_rpm_components (archive_id, rpm_id) select a.id, r.id from archiveinfo a, rpminfo r
      where a.build_id = ${half.id} and r.name = 'half';
    insert into buildroot_listing (buildroot_id, rpm_id) select b.id, r.id from buildroot b, rpminfo r where r.name = 'half';
    insert into image_archives (archive_id, arch) select id, 'x86_64' from archiveinfo where build_id = ${half.id}`)
}

const seed = (...more: string[]) =>
  command('seed', '--config', world.file, '--free', '1000000000000', ...more)

const beside = () => besideOf(world)

describe('a seed that fails leaves the running staging as it was, and nothing beside it', () => {
  const fails = async (dump: string, code: string, message: string): Promise<void> => {
    const path = join(world.root, 'bad.dump')
    await writeFile(path, dump)
    const before = await world.sql('select count(*) from build union all select last_value from build_id_seq')
    const ended = await seed('--dump', path, '--swap')
    expect(ended.stderr).toContain(code)
    expect(ended.stderr).toContain(message)
    expect(ended.code).not.toBe(0)
    expect(await beside()).toEqual([])
    expect(
      await world.sql('select count(*) from build union all select last_value from build_id_seq'),
    ).toEqual(before)
  }

  it('stops at the first error, so that a half-loaded database never looks fine', () =>
    fails(
      text.replace('COPY public.rpminfo (', 'COPY public.rpminfo (nothing, '),
      'SEED_LOAD_FAILED',
      'the rows of rpminfo',
    ))

  it('calls an incomplete dump incomplete, and not a change of schema', () =>
    fails(text.slice(0, text.indexOf('-- PostgreSQL database dump complete')), 'SEED_DUMP_TORN', 'not whole'))

  it('refuses a schema that is newer than what it knows, by name', () =>
    fails(
      text.replace(
        '-- PostgreSQL database dump complete',
        'CREATE TABLE public.secrets (id int);\n-- PostgreSQL database dump complete',
      ),
      'SEED_SCHEMA_NEWER',
      'secrets',
    ))

  it('refuses a dump of another Koji', () =>
    fails(
      text.replace(/(COPY public\.events .*\n)/, (line) => `${line}999999\t2020-01-01 00:00:00+00\n`),
      'SEED_OTHER_PROD',
      'another Koji',
    ))

  it('refuses a dump that the disk has no room for, before anything is made', async () => {
    const ended = await command('seed', '--config', world.file, '--free', '1000', '--dump', file)
    expect(ended).toMatchObject({ code: 14, stderr: expect.stringContaining('SEED_DISK_FULL') })
    expect(await beside()).toEqual([])
  })
})

it.each(['sql.seed.mark', 'sql.seed.passwords', 'sql.seed.rename'])(
  'a seed that is killed at %s leaves the running staging untouched',
  async (where) => {
    let dead = false
    const step = (name: string): undefined => {
      dead ||= name === where
      if (dead) throw new Error('killed')
    }
    const { operations } = await openHere({ file: world.file, step })
    const options = {
      swap: true,
      plan: false,
      rollback: false,
      allowOlder: false,
      leaveLocal: false,
      leaveRest: false,
      leave: [],
      freeBytes: 1e12,
    }
    const run = async (): Promise<void> => {
      for await (const _ of operations.seed({ ...options, dump: file }, new AbortController().signal));
    }
    await expect(run()).rejects.toThrow('killed')
    await operations.destroy()
    expect(await world.sql('select name from tag')).toEqual([])
    expect(await beside()).toHaveLength(1)
  },
)

describe('a seed', () => {
  let said: string
  beforeAll(async () => {
    await world.sql(`select setval('repo_id_seq', 1500000000)`)
    const ended = await seed('--dump', file)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    said = ended.stdout
    expect(await world.sql('select name from tag')).toEqual([])
    // The hub of the old database goes on until the swap.
    await world.sql(`select setval('repo_id_seq', 1600000000)`)
    const swapped = await seed('--swap')
    expect(swapped).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/staging was down for [0-4]\.\d+ s/),
    })
  }, 60_000)

  const one = async (sql: string): Promise<unknown> => Object.values((await world.sql(sql))[0] ?? {})[0]

  it('puts every sequence above the floor, and above that of the database that it replaces, as it is at the swap', async () => {
    const rows = await world.sql<{ name: string; last: string }>(
      `select sequencename as name, last_value as last from pg_sequences where schemaname = 'public'`,
    )
    expect(rows.filter(({ last }) => Number(last) < 1_000_000_000)).toEqual([])
    expect(Number(rows.find(({ name }) => name === 'repo_id_seq')?.last)).toBeGreaterThan(1_600_000_000)
  })

  it('leaves nobody logged in, no password, no notification, no reservation, no row of the biggest table', async () => {
    for (const table of ['sessions', 'build_notifications', 'build_reservations', 'buildroot_listing'])
      expect([table, await one(`select count(*)::int from ${table}`)]).toEqual([table, 0])
    expect(await one('select count(*)::int from users where password is not null')).toBe(0)
    expect(said).toContain('without the rows of build_notifications')
  })

  it('rewrites principals by rule, removes those that no rule matches, and tells of a rule that matches nothing', async () => {
    const rows = await world.sql<{ p: string }>(
      'select krb_principal as p from user_krb_principals order by 1',
    )
    expect(rows.map(({ p }) => p)).toEqual(expect.arrayContaining(['boss@STG', 'osbs@STG', 'newcomer@STG']))
    expect(rows.filter(({ p }) => !p.endsWith('@STG'))).toEqual([])
    expect(said).toContain('note: [[principal_rewrite]] ^osbs/: no principal of the dump matches it')
  })

  it('cancels open tasks and unfinished builds, whose half-imported rows are gone, whatever refers to them', async () => {
    expect(await one('select count(*)::int from task where state in (0, 1, 4)')).toBe(0)
    expect(await one('select count(*)::int from task where state = 5')).toBe(1)
    expect(await one(`select state from build where version = '4'`)).toBe(4)
    for (const table of ['archive_rpm_components', 'image_archives', 'archiveinfo'])
      expect([table, await one(`select count(*)::int from ${table}`)]).toEqual([table, 0])
    expect(await one(`select count(*)::int from rpminfo where name = 'half'`)).toBe(0)
  })

  it('expires buildroots and repos', async () => {
    expect(await one('select array_agg(distinct state) from standard_buildroot')).toEqual([3])
    expect(await one('select array_agg(distinct state) from repo')).toEqual([2])
  })

  it("disables prod's hosts, and takes one that staging has too for its own", async () => {
    const hosts = await world.sql(
      `select h.name, c.enabled, c.arches, (select array_agg(n.name::text order by n.name) from host_channels x join channels n on n.id = x.channel_id
         where x.host_id = h.id and x.active) as channels from host h join host_config c on c.host_id = h.id and c.active order by 1`,
    )
    expect(hosts).toEqual([
      { name: 'builder', enabled: true, arches: 'x86_64', channels: ['default', 'livemedia'] },
      { name: 'old-builder', enabled: false, arches: 'ppc64le', channels: null },
    ])
  })

  it('makes the channels, and gives a permission once to who had it in prod already', async () => {
    const channels = await world.sql(
      `select 1 from channels where name in ('osbuild', 'container', 'livemedia')`,
    )
    expect(channels).toHaveLength(3)
    const perms = await world.sql(
      `select u.name as user, p.name from user_perms x join users u on u.id = x.user_id join permissions p on p.id = x.perm_id
        where x.active order by 2`,
    )
    expect(perms).toEqual([
      { user: 'boss', name: 'admin' },
      { user: 'boss', name: 'sign' },
    ])
  })

  it('places complete builds of all volumes, and has failed ones where somebody may build them again', async () => {
    const builds = await world.sql(
      `select b.version, v.name as volume from build b join volume v on v.id = b.volume_id order by 1`,
    )
    expect(builds).toEqual([
      { version: '1', volume: 'prod' },
      { version: '2', volume: 'archive-00' },
      { version: '3', volume: 'DEFAULT' },
      { version: '4', volume: 'DEFAULT' },
      { version: '7', volume: 'prod' },
    ])
    expect(await one(`select count(*)::int from staging_sync.placement where state = 'placed'`)).toBe(3)
  })

  it('points external repos away from prod', async () => {
    expect(await one('select url from external_repo_config')).toBe('https://kojipkgs.stg.example.org/epel/')
  })

  it('is followed by catch-up from where the dump ends: what it has costs nothing, and nothing is lost of what was open then', async () => {
    const { prod } = world
    // The tag that is rewritten was marked by the seed.
    expect(await world.sql('select key from staging_sync.queue')).toEqual([{ key: 'tag/2' }])
    await late.commit()
    const later = await prod.importBuild({
      name: 'bash',
      version: '9',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await prod.tagBuild('f43', later.id)
    const ended = await command('catch-up', '--config', world.file)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    const last = JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '')
    // The list; two builds, by time and by their rpms; two builds' added rpms; the rewritten tag, where that was made equal before.
    expect(last).toMatchObject({ kind: 'end' })
    expect(last.keys).toBeLessThanOrEqual(8)
    await world.settled()
    // What the rules want to be otherwise, and nothing else.
    expect(await world.differences()).toEqual([
      expect.stringContaining('arches: ""'),
      expect.stringContaining('kojipkgs.stg.example.org'),
    ])
    expect(await world.sql(`select arch from rpminfo where arch = 's390x'`)).toHaveLength(1)
  })

  it('refuses an older dump, and leaves nothing of what staging made itself behind unless it may', async () => {
    const older = await seed('--dump', file)
    expect(older).toMatchObject({ code: 14, stderr: expect.stringContaining('SEED_DUMP_OLDER') })
    await world.sql(`insert into tag (name) values ('mine');
      insert into tag_config (tag_id, creator_id) select t.id, u.id from tag t, users u where t.name = 'mine' and u.name = 'boss'`)
    const refused = await seed('--rollback')
    expect(refused).toMatchObject({ code: 14, stderr: expect.stringContaining('1 tags') })
    const back = await seed('--rollback', '--leave-local')
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(await world.sql('select name from tag')).toEqual([])
    expect(Number(await one('select last_value from repo_id_seq'))).toBeGreaterThan(1_600_000_000)
  })
})
