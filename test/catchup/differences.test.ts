import { expect, it } from 'vitest'
import { idOf, scene } from './world.ts'

const rpms = [{ arch: 'src' }, { arch: 'x86_64' }]

it('finds deleted, reset and canceled builds that staging has, once, and leaves others', async () => {
  const { prod, marked, own, sql } = await scene()
  const builds = []
  for (const release of ['1', '2', '3', '4'])
    builds.push(await prod.importBuild({ name: 'bash', version: '5', release, rpms }))
  const [deleted, reset, foreign, kept] = builds as [(typeof builds)[0], ...typeof builds]
  await own(deleted, { stagingId: 5001 })
  await own(reset as (typeof builds)[0], { stagingId: 5002 })
  await own(kept as (typeof builds)[0], { stagingId: 5003 })
  await prod.rows(`update build set completion_time = now() - interval '1 year'`)
  await marked()
  await prod.deleteBuild(deleted.id)
  await prod.resetBuild(reset?.id as number)
  await prod.deleteBuild(foreign?.id as number)
  expect(await marked()).toEqual([`build/${deleted.id}`, `build/${reset?.id}`])
  // Held by policy, say: the difference lasts, and is not marked for ever.
  expect(await marked()).toEqual([])
  await sql('update build set state = 2 where id = 5001')
  await marked()
  await sql('update build set state = 1 where id = 5001')
  expect(await marked()).toEqual([`build/${deleted.id}`])
})

it('finds an old deleted build by the untagging that came with it', async () => {
  const { prod, marked, own } = await scene()
  const build = await prod.importBuild({ name: 'bash', version: '5', release: '1' })
  const newer = await prod.importBuild({ name: 'bash', version: '5', release: '2' })
  const tag = await prod.addTag('trashcan')
  await prod.tagBuild('trashcan', build.id)
  await own(build)
  await prod.deleteBuild(newer.id)
  await marked()
  await prod.untagBuild('trashcan', build.id)
  expect(await marked()).toEqual([`tagged/${tag}/${await idOf(prod, 'package', 'bash')}`])
  // The row is known by now; the state in it is new.
  await prod.deleteBuild(build.id)
  expect(await marked({ limits: { stateRows: 1 } })).toEqual([`build/${build.id}`])
})

it('finds a promoted draft that staging has, and asks for no drafts where it has none', async () => {
  const { prod, sim, marked, own } = await scene()
  const [one, other] = [
    await prod.importBuild({ name: 'bash', version: '5', release: '1', draft: true }),
    await prod.importBuild({ name: 'bash', version: '5', release: '1', draft: true }),
  ]
  await marked()
  const drafts = () => sim.knobs.calls.filter((call) => JSON.stringify(call.params).includes('"draft"'))
  expect(drafts()).toEqual([])
  await own(one, { draft: true })
  await own(other, { draft: true })
  expect(await marked()).toEqual([])
  await prod.promoteBuild(one.id)
  expect(await marked({ limits: { pageRows: 1 } })).toEqual([`build/${one.id}`])
  expect(await marked()).toEqual([])
})

it('finds renamed tags, targets and external repos, and no name that staging changed itself', async () => {
  const { prod, marked, sql } = await scene()
  const tag = await prod.addTag('f43')
  const own = await prod.addTag('f44')
  await prod.addTarget('f43', 'f43', 'f43')
  await prod.addExternalRepo('up', 'http://example.com/')
  const [target, repo] = [await idOf(prod, 'build_target', 'f43'), await idOf(prod, 'external_repo', 'up')]
  for (const [kind, id, stagingId, name] of [
    ['tag', tag, 701, 'f43'],
    ['tag', own, 702, 'f44'],
    ['build_target', target, 703, 'f43'],
    ['external_repo', repo, 704, 'up'],
  ] as const) {
    await sql(`insert into ${kind} (id, name) values ($1, $2)`, [stagingId, name])
    await sql('insert into staging_sync.owned (kind, prod_id, staging_id, digest) values ($1, $2, $3, $4)', [
      kind,
      id,
      stagingId,
      name,
    ])
  }
  await marked()
  await sql(`update tag set name = 'ours' where id = 702`)
  expect(await marked()).toEqual([])
  await prod.renameTag('f43', 'f43-old')
  await prod.rows(`update build_target set name = 'new' where id = $1`, [target])
  await prod.rows(`update external_repo set name = 'new' where id = $1`, [repo])
  expect(await marked()).toEqual([`external-repo/${repo}`, `tag/${tag}`, `target/${target}`])
  expect(await marked()).toEqual([])
  await prod.renameTag('f43-old', 'f43-older')
  expect(await marked()).toEqual([`tag/${tag}`])
})

it('finds a reset build that is being built again, before it is completed', async () => {
  const { prod, marked, own, sql } = await scene()
  const [reset, first] = [
    await prod.importBuild({ name: 'bash', version: '5', release: '1', rpms }),
    await prod.importBuild({ name: 'bash', version: '5', release: '2', rpms }),
  ]
  await own(reset, { stagingId: 5001 })
  await own(first, { stagingId: 5002 })
  await prod.rows(`update build set completion_time = now() - interval '1 year'`)
  await marked()
  await prod.resetBuild(reset.id)
  await prod.recycleBuild('bash-5-1')
  expect(await marked()).toEqual([`build/${reset.id}`])
  await sql('update build set state = 2 where id = 5001')
  expect(await marked()).toEqual([])
})
