import { expect, it, onTestFinished } from 'vitest'
import { goBack } from '../../src/catchup/restored.ts'
import type { Call } from '../../src/hub/hub.ts'
import type { KojiVersion } from '../support/koji-schema.ts'
import { idOf, type Scene, scene } from './world.ts'

/** Those with rows here, what is referred to first. */
const TABLES =
  `events users package tag tag_config tag_extra tag_inheritance tag_packages tag_package_owners groups group_config
  group_package_listing group_req_listing external_repo external_repo_config tag_external_repos build_target build_target_config
  build build_types rpminfo archiveinfo tag_listing`.split(/\s+/)

/** Staging becomes what a dump of prod's holds now, with settings as a seed leaves them. */
async function copyAll({ prod, sql }: Scene): Promise<number> {
  for (const table of TABLES) {
    const [row] = await prod.rows(`select json_agg(t) as rows from ${table} t`)
    await sql(
      `insert into ${table} select * from json_populate_recordset(null::${table}, $1::json) on conflict do nothing`,
      [JSON.stringify(row?.rows ?? [])],
    )
  }
  const [last] = await prod.rows('select max(id) as id from events')
  const event = Number(last?.id)
  await sql(`insert into staging_sync.setting (key, value) values ('seed_event', $1)`, [String(event)])
  await sql(`update staging_sync.setting set value = $1 where key = 'init_event'`, [String(event)])
  await sql('update staging_sync.cursor set event = $1, time = null', [event])
  await sql(
    `insert into staging_sync.owned (kind, prod_id, staging_id) select 'package', id, id from package`,
  )
  return event
}

const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]

async function fill({ prod }: Scene): Promise<void> {
  await prod.addTag('base', { extra: { 'a "key" \\ of\u0001 its own': 1 } })
  await prod.addTag('f43', { parent: 'base' })
  await prod.addGroup('base', 'build')
  await prod.addGroup('base', 'core')
  await prod.addGroupPackage('base', 'build', 'bash')
  await prod.addGroupReq('base', 'build', 'core')
  await prod.addExternalRepo('up', 'http://example.com/')
  await prod.addExternalRepoToTag('base', 'up', { priority: 5 })
  await prod.addTarget('f43', 'base', 'f43')
  await prod.addPackage('f43', 'bash')
  for (const version of ['1', '2', '3']) {
    const build = await prod.importBuild({ name: 'bash', version, release: '1', rpms })
    await prod.tagBuild('f43', build.id)
    if (version === '1') await prod.untagBuild('f43', build.id)
  }
  await prod.importBuild({
    name: 'image',
    version: '1',
    release: '1',
    image: true,
    archives: [{ filename: 'a.qcow2', type: 'qcow2', btype: 'image', image: { arch: 'x86_64' } }],
  })
  await prod.failBuild((await prod.startBuild({ name: 'bash', version: '4', release: '1' })).id)
}

it.each<KojiVersion>(['1.21.0', '1.35.0'])(
  'what a copy of prod %s has of the overlap costs nothing, what came to be since is found',
  async (version) => {
    const here = await scene(version)
    const { prod, marked } = here
    await fill(here)
    await copyAll(here)
    expect(await marked()).toEqual([])
    await prod.untagBuild('f43', 'bash-2-1')
    const build = await prod.importBuild({ name: 'bash', version: '9', release: '1', rpms })
    const [tag, bash] = [await idOf(prod, 'tag', 'f43'), await idOf(prod, 'package', 'bash')]
    expect(await marked()).toEqual([`build/${build.id}`, `tagged/${tag}/${bash}`])
    expect(await marked({ overlapMs: 7 * 86_400_000 })).toEqual([])
  },
)

it('loses nothing of transactions that were open when the copy was made, whatever higher ids the copy has', async () => {
  const here = await scene()
  const { prod, marked } = here
  await fill(here)
  const old = await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms })
  const late = await prod.begin()
  let isOpen = true
  onTestFinished(async () => {
    if (isOpen) await late.rollback()
  })
  const born = await late.importBuild({ name: 'bash', version: '6', release: '1', rpms })
  await late.addRpms(old.id, [{ arch: 's390x' }])
  await late.tagBuild('base', 'bash-3-1')
  await late.untagBuild('f43', 'bash-2-1')
  // Of higher ids; an rpm of a build of long ago among them.
  await prod.importBuild({ name: 'bash', version: '7', release: '1', rpms })
  await prod.addRpms((await prod.rows(`select id from build where version = '1'`))[0]?.id as number, [
    { arch: 'ppc64le' },
  ])
  await copyAll(here)
  // Nothing of it is there to be seen, and the cursors go on meanwhile.
  expect(await marked()).toEqual([])
  await prod.addTag('later')
  await marked()
  await late.commit()
  isOpen = false
  await prod.rows(`update build set completion_time = now() - interval '1 year' where id = ${born.id}`)
  const [base, f43, bash] = [
    await idOf(prod, 'tag', 'base'),
    await idOf(prod, 'tag', 'f43'),
    await idOf(prod, 'package', 'bash'),
  ]
  expect(await marked()).toEqual(
    [`build/${old.id}`, `build/${born.id}`, `tagged/${base}/${bash}`, `tagged/${f43}/${bash}`].sort(),
  )
  expect(await marked()).toEqual([])
})

it('does not take for known what prod has made anew since it was restored to before the copy', async () => {
  const here = await scene()
  const { prod, hub, signal, staging, marked, sql, catchUp, taken } = here
  await fill(here)
  await prod.addTag('lost')
  await copyAll(here)
  const read = async <T>(call: Call<T>): Promise<T> => (await hub.read([call], { priority: 'live' }))[0]
  const [last] = await prod.rows('select max(id) as id from events')
  const event = Number(last?.id)
  const [tag] = await prod.rows(`select id from tag where name = 'lost'`)
  // Prod gives the same ids to another one.
  await prod.rows(`update events set time = time + interval '1 hour' where id = ${event};
    update tag_config set arches = 'riscv64' where tag_id = ${tag?.id}`)
  await expect(catchUp().run(signal)).resolves.toBeDefined()
  await taken()
  await sql('update staging_sync.cursor set time = (select time::timestamp from events where id = $1)', [
    event,
  ])
  await expect(catchUp().run(signal)).rejects.toMatchObject({ code: 'PROD_WENT_BACK' })
  await goBack(staging.database, read, event - 1)
  expect(await marked()).toEqual([`tag/${tag?.id}`])
})
