import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HereDaemon } from '../e2e/daemon.ts'
import type { LogLine } from '../e2e/log-lines.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { command, type Ended } from '../operations/command.ts'
import { dumpKoji } from './dump.ts'
import { besideOf, prodUrl } from './world.ts'

let world: E2eWorld
let daemon: HereDaemon
let file: string
let before: Record<string, unknown[]>
let differences: string[]
let planned: Ended
let refused: Ended
let swapped: Ended

/** The daemon is the service with its own rights; who seeds is the owner of Koji's tables. */
const seed = (...more: string[]) =>
  command('seed', '--config', world.file, ...world.asOwner, '--free', '1000000000000', ...more)

const rpms = (name: string) => [{ arch: 'src' }, { name, arch: 'x86_64' }]

/** What staging made itself, by natural keys, with the ids that stay. */
async function localWork(): Promise<Record<string, unknown[]>> {
  const queries: Record<string, string> = {
    builds: `select b.id, p.name || '-' || b.version || '-' || b.release as nvr, b.state, u.name as owner, v.name as volume, b.task_id, e.time
       from build b join package p on p.id = b.pkg_id join users u on u.id = b.owner join volume v on v.id = b.volume_id
       join events e on e.id = b.create_event where b.id >= 1000000000 and u.name = 'local' order by 1`,
    rpms: `select r.id, r.name, r.arch, r.payloadhash, r.buildroot_id, s.sigkey, s.sighash from rpminfo r join build b on b.id = r.build_id
       join users u on u.id = b.owner left join rpmsigs s on s.rpm_id = r.id where u.name = 'local' order by 1, 6`,
    archives: `select a.id, a.filename, a.checksum, t.name as type, r.name as rpm, r.arch, x.name as component_of from archiveinfo a
       join archivetypes t on t.id = a.type_id join build b on b.id = a.build_id join users u on u.id = b.owner
       left join archive_rpm_components c on c.archive_id = a.id left join rpminfo r on r.id = c.rpm_id
       left join build y on y.id = r.build_id left join package x on x.id = y.pkg_id where u.name = 'local' order by 1, 5, 6`,
    tasks: `select t.id, t.parent, t.method, t.state, t.label, c.name as channel, u.name as owner from task t join channels c on c.id = t.channel_id
       join users u on u.id = t.owner where t.id >= 1000000000 order by 1`,
    buildroots: `select s.buildroot_id, h.name as host, s.task_id, s.repo_id, r.state as repo_state from standard_buildroot s join host h on h.id = s.host_id
       join repo r on r.id = s.repo_id order by 1`,
    listings: `select t.name as tag, p.name || '-' || b.version || '-' || b.release as nvr, u.name = 'local' as own
       from tag_listing l join tag t on t.id = l.tag_id join build b on b.id = l.build_id join package p on p.id = b.pkg_id
       join users u on u.id = l.creator_id where l.active and (t.name = 'mixed' or u.name = 'local') order by 1, l.create_event, b.id`,
    tag: `select t.id, t.name, c.arches, x.key, x.value, i.priority, y.name as parent from tag t join tag_config c on c.tag_id = t.id and c.active
       left join tag_extra x on x.tag_id = t.id and x.active left join tag_inheritance i on i.tag_id = t.id and i.active
       left join tag y on y.id = i.parent_id where t.name = 'mine' order by 4, 6`,
    lists: `select t.name as tag, p.name, k.blocked, o.name as owner from tag_packages k join tag t on t.id = k.tag_id join package p on p.id = k.package_id
       join users u on u.id = k.creator_id join tag_package_owners w on w.tag_id = t.id and w.package_id = p.id and w.active join users o on o.id = w.owner
       where k.active and u.name = 'local' order by 1, 2`,
    groups: `select t.name as tag, g.name, c.display_name from group_config c join tag t on t.id = c.tag_id join groups g on g.id = c.group_id
       where c.active and t.name = 'mine'`,
    targets: `select n.id, n.name, b.name as build, d.name as dest from build_target n join build_target_config c on c.build_target_id = n.id and c.active
       join tag b on b.id = c.build_tag join tag d on d.id = c.dest_tag where n.name = 'mine'`,
    repos: `select r.name, c.url, t.name as tag, x.priority from external_repo r join external_repo_config c on c.external_repo_id = r.id and c.active
       join tag_external_repos x on x.external_repo_id = r.id and x.active join tag t on t.id = x.tag_id where r.name = 'my-repo'`,
    users: `select u.name, u.usertype, k.krb_principal, p.name as perm from users u left join user_krb_principals k on k.user_id = u.id
       left join user_perms x on x.user_id = u.id and x.active left join permissions p on p.id = x.perm_id
       where u.name in ('local', 'grace', 'builder.stg') order by 1, 4`,
    hosts: `select h.name, c.arches, c.enabled, n.name as channel from host h join host_config c on c.host_id = h.id and c.active
       left join host_channels x on x.host_id = h.id and x.active left join channels n on n.id = x.channel_id where h.name = 'builder.stg'`,
  }
  const found: Record<string, unknown[]> = {}
  for (const [what, sql] of Object.entries(queries)) found[what] = await world.sql(sql)
  return found
}

async function fillProd({ prod }: E2eWorld): Promise<void> {
  await prod.addTag('base', { arches: 'x86_64' })
  await prod.addTag('mixed', { arches: 'x86_64', parent: 'base' })
  await prod.addPackage('mixed', 'bash')
  for (const version of ['1', '2', '3']) {
    const { id } = await prod.importBuild({ name: 'bash', version, release: '1', rpms: rpms('bash') })
    await prod.tagBuild('mixed', id)
  }
}

/** After the dump: a new build, a new tag, a new order, a signature. */
async function goOn({ prod }: E2eWorld): Promise<void> {
  const late = await prod.importBuild({ name: 'bash', version: '4', release: '1', rpms: rpms('bash') })
  await prod.tagBuild('base', late.id)
  await prod.addTag('later', { arches: 'aarch64', parent: 'mixed' })
  await prod.retagBuild('mixed', 'bash-1-1')
  const [rpm] = await prod.rows(
    `select r.id from rpminfo r join build b on b.id = r.build_id where b.version = '2' and r.arch = 'x86_64'`,
  )
  await prod.signRpm(Number(rpm?.id), 'b01cbeef')
}

async function workInStaging({ prod, local, sql }: E2eWorld): Promise<void> {
  await local.addTag('mine', { arches: 'x86_64', parent: 'later', extra: { 'mock.new_chroot': 1 } })
  await local.addPackage('mine', 'bash')
  await local.addPackage('mine', 'own')
  await local.addGroup('mine', 'build', { displayName: 'Build' })
  const own = await local.importBuild({ name: 'own', version: '1', release: '1', rpms: rpms('own') })
  await local.signRpm(own.rpms[1] as number, 'ffff0000')
  await local.tagBuild('mine', own.id)
  // Prod's, newer than the dump.
  await local.tagBuild('mine', 'bash-4-1')
  const image = await local.importBuild({
    name: 'own',
    version: '2',
    release: '1',
    image: true,
    archives: [{ filename: 'own.qcow2', type: 'qcow2', btype: 'image', image: { arch: 'x86_64' } }],
  })
  await local.failBuild((await local.startBuild({ name: 'own', version: '3', release: '1' })).id)
  const patched = await local.importBuild({
    name: 'bash',
    version: '2',
    release: '2.stg',
    rpms: rpms('bash'),
  })
  await local.tagBuild('mixed', patched.id)
  // It comes to stand between two of prod's.
  await prod.retagBuild('mixed', 'bash-3-1')
  await world.told(daemon)
  await local.addTarget('mine', 'mine', 'mine')
  await local.addExternalRepo('my-repo', 'https://repo.stg.example.org/mine/')
  await local.addExternalRepoToTag('mine', 'my-repo', { priority: 5 })
  await local.addUser('grace', { principal: 'grace@STG' })
  await local.addUser('builder.stg', { usertype: 1 })
  await sql(`
    insert into user_perms (user_id, perm_id, creator_id) select g.id, p.id, l.id from users g, permissions p, users l
      where g.name = 'grace' and p.name in ('sign', 'admin') and l.name = 'local';
    insert into host (user_id, name, ready, task_load) select id, name, true, 1.5 from users where usertype = 1;
    insert into host_config (host_id, arches, creator_id) select h.id, 'x86_64', l.id from host h, users l where l.name = 'local';
    insert into host_channels (host_id, channel_id, creator_id) select h.id, c.id, l.id from host h, channels c, users l
      where c.name in ('default', 'createrepo') and l.name = 'local';
    insert into task (state, owner, channel_id, method, arch) select 2, l.id, c.id, 'build', 'noarch' from users l, channels c
      where l.name = 'local' and c.name = 'default';
    insert into task (state, owner, channel_id, method, arch, parent, label) select 2, owner, channel_id, 'buildArch', 'x86_64', id, 'x86_64' from task;
    insert into task (state, owner, channel_id, method, arch) select 0, l.id, c.id, 'newRepo', 'noarch' from users l, channels c
      where l.name = 'local' and c.name = 'createrepo';
    insert into task (state, owner, channel_id, method, arch) select 5, l.id, c.id, 'image', 'noarch' from users l, channels c
      where l.name = 'local' and c.name = 'image';
    insert into repo (tag_id, state) select id, 1 from tag where name = 'mine';
    insert into buildroot (br_type) values (0);
    insert into standard_buildroot (buildroot_id, host_id, repo_id, task_id, state) select b.id, h.id, r.id, t.id, 3
      from buildroot b, host h, repo r, task t where t.method = 'buildArch';
    update build set task_id = (select id from task where method = 'build') where id = ${own.id};
    update rpminfo set buildroot_id = (select id from buildroot) where build_id = ${own.id};
    insert into archive_rpm_components (archive_id, rpm_id) select ${image.archives[0]}, r.id from rpminfo r join build b on b.id = r.build_id
      where (b.id = ${own.id} or b.version = '3') and r.arch = 'x86_64'`)
}

beforeAll(async () => {
  world = await e2eWorld()
  await fillProd(world)
  daemon = await world.start()
  await world.equal()
  file = join(world.root, 'koji.dump')
  await writeFile(file, await dumpKoji(await prodUrl(world)))
  await goOn(world)
  await world.told(daemon)
  // Nobody announces a new tag.
  expect(await command('catch-up', '--config', world.file)).toMatchObject({ code: 0 })
  await world.equal()
  await workInStaging(world)
  await world.settled()
  differences = await world.differences()
  before = await localWork()
  await world.sql(
    `insert into staging_sync.setting (key, value) values ('snapshot_event', '1 2020-01-01 00:00:00.000000')`,
  )
  planned = await seed('--dump', file, '--older', '--plan')
  refused = await command('seed', '--config', world.file, '--swap')
  swapped = await seed('--swap')
}, 240_000)
afterAll(() => world?.close())

describe('a swap beside a running daemon', () => {
  it('is planned without changing anything', async () => {
    expect(planned).toMatchObject({ code: 0, stderr: '' })
    expect(planned.stdout).toContain('4 builds: bash-2-2.stg, own-1-1, own-2-1, own-3-1')
    expect(planned.stdout).toContain("1 builds of prod's that are newer than the dump: bash-4-1")
    expect(planned.stdout).toContain('2 tags: mine')
    expect(planned.stdout).not.toContain('swapped')
    expect(planned.stdout).toContain("the snapshot in staging's tree is of prod's event 1, before the dump's")
  })

  it('is refused to who may not end the connections, before staging stands still', () => {
    expect(refused).toMatchObject({ code: 14, stderr: expect.stringContaining('SEED_SESSIONS') })
    expect(refused.stderr).toMatch(/may not end \d+ of koji/)
  })

  it('keeps staging down for less than five seconds', () => {
    expect(swapped).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/down for [0-4]\.\d+ s/),
    })
  })

  it('carries over what staging made itself, with its ids and in its place', async () => {
    const after = await localWork()
    // Repos are made anew; one open task goes on, tasks that nothing needs stay behind.
    const ended = { ...(before.buildroots?.[0] as object), repo_state: 2 }
    const tasks = before.tasks?.filter((task) => (task as { method: string }).method !== 'image')
    expect(after).toEqual({ ...before, buildroots: [ended], tasks })
    expect(after.builds).toHaveLength(4)
    expect(after.archives).toHaveLength(2)
    // The tree is the same as before: of which moment of prod's it is comes over, too.
    expect(await world.sql(`select value from staging_sync.setting where key = 'snapshot_event'`)).toEqual([
      { value: '1 2020-01-01 00:00:00.000000' },
    ])
  })

  it('leaves the daemon alive, which follows prod from the end of the dump until both are equal', async () => {
    const listens = (line: LogLine): boolean => line.msg === 'http listens'
    const first = daemon.log.all.findIndex(listens)
    const again = await daemon.log.until('a second start', listens, { from: first + 1 })
    const from = daemon.log.all.indexOf(again)
    await daemon.log.until('a catch-up', (line) => line.msg === 'catch-up finished', { from })
    await world.heard(daemon)
    await world.settled()
    expect(await world.differences()).toEqual(differences)
    const { id } = await world.prod.importBuild({
      name: 'bash',
      version: '5',
      release: '1',
      rpms: rpms('bash'),
    })
    await world.prod.tagBuild('base', id)
    await world.told(daemon)
    await world.settled()
    expect(await world.differences()).toEqual(differences)
  })

  it('is taken back the same way, with what was made since', async () => {
    const { rows } = { rows: await besideOf(world) }
    expect(rows).toHaveLength(1)
    await world.sql(`insert into tag (name) values ('since');
      insert into tag_config (tag_id, arches, creator_id) select t.id, 'x86_64', u.id from tag t, users u where t.name = 'since' and u.name = 'local'`)
    const now = await localWork()
    const back = await seed('--rollback')
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(back.stdout).toContain('1 tags: since')
    const after = await localWork()
    expect({ ...after, buildroots: [], tasks: [] }).toEqual({ ...now, buildroots: [], tasks: [] })
    await world.heard(daemon)
    await world.settled()
    const found = await world.differences()
    expect(found.filter((text) => !text.endsWith(' since: only in staging'))).toEqual(differences)
  })

  it('is refused while it would leave behind what nobody said may be, each by its name', async () => {
    const builds = await Promise.all(
      ['odd', 'even'].map((name) =>
        world.local.importBuild({ name, version: '1', release: '1', rpms: rpms(name) }),
      ),
    )
    await world.local.addPackage('mine', 'odd')
    await world.local.tagBuild('mine', builds[0]?.id as number)
    const next = new pg.Client({
      connectionString: (await prodUrl(world)).replace(/[^/]+$/, (await besideOf(world))[0] ?? ''),
    })
    await next.connect()
    // Prod has since built one of these rpms in another build.
    await next.query(`insert into rpminfo (build_id, draft, name, version, release, arch, external_repo_id, payloadhash, size, buildtime)
      select (select min(id) from build), false, n, '1', '1', 'x86_64', 0, 'x', 1, 1 from unnest(array['odd', 'even']) n`)
    await next.end()
    const all = await seed('--swap')
    expect(all).toMatchObject({ code: 14, stderr: expect.stringContaining('--leave build/even-1-1') })
    expect(all.stderr).toContain(
      'odd-1-1 in mine (the build does not come over; --leave tagging/mine/odd-1-1)',
    )
    const one = await seed('--swap', '--leave', 'build/odd-1-1', '--leave', 'build/nothing-1-1')
    expect(one.code).toBe(14)
    expect(one.stderr).toContain('build even-1-1')
    expect(one.stderr).not.toContain('odd-1-1')
    expect(one.stdout).toContain('--leave build/nothing-1-1: nothing of that name')
    const both = await seed('--swap', '--leave', 'build/odd-1-1', '--leave', 'build/even-1-1')
    expect(both).toMatchObject({ code: 0, stderr: '' })
    expect(
      await world.sql(
        `select 1 from build b join package p on p.id = b.pkg_id where p.name in ('odd', 'even')`,
      ),
    ).toEqual([])
  })
})
