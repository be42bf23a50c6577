import { rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { StopError } from '../../src/errors.ts'
import type { Drift } from '../../src/model/drift.ts'
import { formatKey } from '../../src/model/key.ts'
import type { ScrubNews, ScrubOptions, ScrubReport } from '../../src/model/scrub.ts'
import { openHere } from '../e2e/daemon.ts'
import { type ReconcileWorld, reconcileWorld } from './world.ts'

let world: ReconcileWorld
const builds = new Map<string, { id: number; rpms: number[]; archives: number[] }>()
const id = (name: string): number => builds.get(name)?.id as number
const rpm = (name: string): number => builds.get(name)?.rpms[1] as number
const sql = (text: string, ...values: unknown[]) => world.prod.rows(text, values)

const NAMES = 'hash sum unsigned row size added type pruned torn link gone plain bash edited volume'.split(
  ' ',
)

async function make(name: string, more: object = {}): Promise<void> {
  const rpms = [{ arch: 'src', checksums: true }, { arch: 'x86_64' }]
  builds.set(name, await world.prod.importBuild({ name, version: '5', release: '1', rpms, ...more }))
}

interface Ran {
  readonly report: ScrubReport
  readonly drifts: readonly Drift[]
  /** `kind key`, sorted */
  readonly found: readonly string[]
  readonly missed: Readonly<Record<string, number>>
}

async function scrub(
  options: Partial<ScrubOptions> = {},
  onNews: (news: ScrubNews) => void = () => {},
): Promise<Ran> {
  const here = await openHere({ file: world.file })
  const drifts: Drift[] = []
  let report: ScrubReport | null = null
  try {
    const what = { once: true, tags: [], ...options }
    for await (const news of here.operations.scrub(what, new AbortController().signal)) {
      onNews(news)
      if (news.kind === 'difference') drifts.push(news.drift)
      if (news.kind === 'end') report = news.report
    }
  } finally {
    await here.operations.destroy()
  }
  if (report === null) throw new Error('no report')
  const metric = await here.metrics.registry.getSingleMetric('kojisync_scrub_missed_total')?.get()
  const counted = (metric?.values ?? []).filter(({ value }) => value > 0)
  return {
    report,
    drifts,
    found: drifts.map(({ kind, key }) => `${kind} ${formatKey(key)}`).sort(),
    missed: Object.fromEntries(counted.map(({ labels, value }) => [String(labels.kind), value])),
  }
}

const fileOf = (name: string, ...path: string[]): string =>
  join(world.root, 'prod', 'packages', name, '5', '1', ...path)

beforeAll(async () => {
  world = await reconcileWorld({ config: '[scrub]\nbuilds_per_second = 1000\n' })
  const { prod } = world
  await prod.addUser('somebody')
  await prod.addTag('f43', { arches: 'x86_64' })
  for (const name of NAMES) {
    await prod.addPackage('f43', name)
    await make(name)
  }
  await make('maven', {
    rpms: [],
    maven: { groupId: 'org.example', artifactId: 'a', version: '1' },
    archives: [
      {
        filename: 'a-1.jar',
        type: 'jar',
        btype: 'maven',
        maven: { groupId: 'org.example', artifactId: 'a', version: '1' },
      },
    ],
  })
  await make('image', {
    rpms: [],
    image: true,
    archives: [
      {
        filename: 'disk.qcow2',
        type: 'qcow2',
        btype: 'image',
        image: { arch: 'x86_64' },
        rpmComponents: [rpm('bash')],
        archiveComponents: [builds.get('maven')?.archives[0]],
      },
    ],
  })
  await make('win', {
    rpms: [],
    win: { platform: 'win7' },
    archives: [
      {
        filename: 'a.exe',
        type: 'exe',
        btype: 'win',
        win: { relpath: 'x/y', platforms: 'win7', flags: null },
      },
    ],
  })
  await make('remote', {
    rpms: [],
    archives: [{ filename: 'src.tar.gz', type: 'tar', btype: 'remote-sources', subdir: 'deep/er' }],
  })
  await writeFile(
    fileOf('remote', 'metadata.json'),
    JSON.stringify({ output: [{ filename: 'src.tar.gz', subdir: 'deep/er' }] }),
  )
  for (const name of builds.keys()) await prod.tagBuild('f43', id(name))
  for (const name of NAMES) await prod.signRpm(rpm(name), 'abcd1234', { checksums: true })
  const { report } = await world.reconcile()
  expect(report).toMatchObject({ heldKeys: 0, parkedKeys: 0 })
  // Half of them are in no tag any more: a comparison by tags does not see their content.
  for (const name of ['hash', 'sum', 'size', 'type', 'image']) await prod.untagBuild('f43', id(name))
  await world.reconcile()
  expect(await world.differences({ builds: 'all' })).toEqual([])
})
afterAll(() => world?.close())

it('finds nothing where both sides are equal, and writes nothing of Koji', async () => {
  const before = await world.written()
  const { found, report } = await scrub()
  expect([found, report.failed, report.builds]).toEqual([[], 0, builds.size])
  const { 'staging_sync.scrub': _s, 'staging_sync.daemon': _d, ...after } = await world.written()
  expect(before).toMatchObject(after)
})

it('is done by the daemon at its rate, which gives way to a command and goes on, and status tells', async () => {
  const daemon = await world.start({ set: ['scrub.days=0.00001'] })
  await daemon.log.until('a pass is over', (line) => line.msg === 'scrub pass ended')
  const status = async () => {
    const here = await openHere({ file: world.file })
    try {
      return (await here.operations.status(new AbortController().signal)).scrub
    } finally {
      await here.operations.destroy()
    }
  }
  expect(await status()).toMatchObject({ running: true, builds: builds.size, lastBuilds: expect.any(Number) })
  await daemon.stop()
  expect(await status()).toMatchObject({ running: false })
  await world.sql(
    `update staging_sync.scrub set holder = 'other', holder_what = 'command', holder_host = 'elsewhere', holder_pid = 7, seen = now()`,
  )
  await expect(scrub()).rejects.toMatchObject({ code: 'SCRUB_RUNS' })
  await world.sql(`update staging_sync.scrub set holder_what = 'daemon'`)
  expect((await scrub()).report.builds).toBe(builds.size)
})

it('finds each silent change of a build, by its kind, and makes all equal', async () => {
  const { prod } = world
  await sql(
    `update rpmsigs set sighash = md5('other') where rpm_id = $1 and sigkey = 'abcd1234'`,
    rpm('hash'),
  )
  await sql(
    `update rpm_checksum set checksum = md5('other') where rpm_id = $1 and sigkey = 'abcd1234' and checksum_type = 0`,
    rpm('sum'),
  )
  await prod.deleteSig(rpm('unsigned'), 'abcd1234')
  await prod.setBuildOwner(id('row'), 'somebody')
  await prod.setBuildTimestamp(id('row'), '2020-01-02 03:04:05.678901+00')
  await sql(`update build set source = 'git://elsewhere' where id = $1`, id('row'))
  await sql(`update build set extra = '{"new": 1}' where id = $1`, id('row'))
  await sql(`update rpminfo set buildtime = buildtime + 1 where id = $1`, rpm('size'))
  await prod.addRpms(id('added'), [{ arch: 's390x' }])
  await sql(
    `insert into build_types (build_id, btype_id) select $1, id from btype where name = 'image'`,
    id('type'),
  )
  await prod.changeVolume(id('volume'), 'archive')
  await sql(
    `update maven_archives set artifact_id = 'b' where archive_id = $1`,
    builds.get('maven')?.archives[0],
  )
  await sql(`delete from archive_rpm_components where archive_id = $1`, builds.get('image')?.archives[0])
  await sql(
    `insert into archive_rpm_components (archive_id, rpm_id) values ($1, $2)`,
    builds.get('image')?.archives[0],
    rpm('plain'),
  )
  await sql(
    `update win_archives set platforms = 'win7 win10' where archive_id = $1`,
    builds.get('win')?.archives[0],
  )
  const { found, missed, report } = await scrub()
  expect(found).toEqual(
    [
      `signatures build/${id('hash')}`,
      `checksums build/${id('sum')}`,
      `signatures build/${id('unsigned')}`,
      `checksums build/${id('unsigned')}`,
      `owner build/${id('row')}`,
      `time build/${id('row')}`,
      `row build/${id('row')}`,
      `row build/${id('row')}`,
      `rpms build/${id('size')}`,
      `rpms build/${id('added')}`,
      `signatures build/${id('added')}`,
      `row build/${id('type')}`,
      `volume build/${id('volume')}`,
      `files build/${id('volume')}`,
      `files build/${id('maven')}`,
      `archives build/${id('maven')}`,
      `components build/${id('image')}`,
      `archives build/${id('win')}`,
    ].sort(),
  )
  expect(report).toMatchObject({ failed: 0, heldKeys: 0, parkedKeys: 0 })
  expect(missed).toMatchObject({ signatures: 3, owner: 1, time: 1, volume: 1, components: 1 })
  expect(await world.differences({ builds: 'all' })).toEqual([])
  await sql(
    `update maven_archives set artifact_id = 'a' where archive_id = $1`,
    builds.get('maven')?.archives[0],
  )
  expect((await scrub()).found).toEqual([`archives build/${id('maven')}`])
  const again = await scrub()
  expect([again.found, again.missed]).toEqual([[], {}])
})

it('finds files that prod pruned or tore, and a link of ours that went', async () => {
  await unlink(fileOf('pruned', 'x86_64', 'pruned-5-1.x86_64.rpm'))
  await truncate(fileOf('torn', 'src', 'torn-5-1.src.rpm'), 10)
  await rm(join(world.root, 'staging', 'vol', 'prod', 'packages', 'link', '5', '1'))
  await unlink(fileOf('plain', 'data', 'sigcache', 'abcd1234', 'x86_64', 'plain-5-1.x86_64.rpm.sig'))
  await unlink(fileOf('remote', 'files', 'remote-sources', 'deep', 'er', 'src.tar.gz'))
  const { drifts } = await scrub()
  expect(drifts.map(({ kind, subject, staging }) => ({ kind, subject, staging }))).toEqual([
    { kind: 'files', subject: 'pruned-5-1', staging: ['x86_64/pruned-5-1.x86_64.rpm: missing'] },
    { kind: 'files', subject: 'torn-5-1', staging: ['src/torn-5-1.src.rpm: other size'] },
    { kind: 'files', subject: 'link-5-1', staging: ['not placed on volume prod'] },
    {
      kind: 'files',
      subject: 'plain-5-1',
      staging: ['data/sigcache/abcd1234/x86_64/plain-5-1.x86_64.rpm.sig: missing'],
    },
    { kind: 'files', subject: 'remote-5-1', staging: ['files/remote-sources/src.tar.gz: missing'] },
  ])
  // Ours is mended; what prod itself lacks is told again.
  expect((await scrub()).drifts.map(({ subject }) => subject)).toEqual([
    'pruned-5-1',
    'torn-5-1',
    'plain-5-1',
    'remote-5-1',
  ])
})

it("leaves what staging's people added or edited, and tells what policy holds", async () => {
  const { local } = world
  await local.addUser('local-owner')
  await local.setBuildOwner('edited-5-1', 'local-owner')
  const [own] = await world.sql<{ id: number }>('select id from rpminfo where build_id = $1 and arch = $2', [
    id('edited'),
    'x86_64',
  ])
  await local.signRpm(own?.id as number, '12345678')
  const { drifts, report } = await scrub()
  const told = drifts.filter(({ kind }) => kind !== 'files')
  expect(told.map(({ kind, key, state }) => `${kind} ${formatKey(key)} ${state}`)).toEqual([
    `owner build/${id('edited')} held`,
  ])
  expect(report.heldKeys).toBe(1)
})

it('finds a build that prod deleted, though nobody told and its directory is gone', async () => {
  await world.prod.untagBuild('f43', id('gone'))
  await world.prod.deleteBuild('gone-5-1')
  const { found } = await scrub()
  expect(found).toContain(`state build/${id('gone')}`)
  const rows = await world.sql('select state from build where id = $1', [id('gone')])
  expect(rows).toEqual([{ state: 2 }])
})

it('looks at the builds of a tag alone, and names a tag that is none', async () => {
  const before = await world.sql('select after_build, pass, done from staging_sync.scrub')
  const { report } = await scrub({ once: false, tags: ['f4?'] })
  const [row] = await world.sql<{ n: number }>(
    `select count(distinct build_id)::int as n from tag_listing l join tag t on t.id = l.tag_id where t.name = 'f43' and l.active`,
  )
  expect(report.builds).toBe(row?.n)
  expect(await world.sql('select after_build, pass, done from staging_sync.scrub')).toEqual(before)
  await expect(scrub({ tags: ['f44'] })).rejects.toMatchObject({ code: 'SCRUB_TAG_UNKNOWN' })
})

it('goes on where it was cut off, around to where it began', async () => {
  const here = await openHere({ file: world.file })
  const stop = new AbortController()
  for await (const news of here.operations.scrub({ once: true, tags: [] }, stop.signal)) {
    if (news.kind === 'progress') break
  }
  stop.abort(new StopError('STOPPED_BY_TEST', 'enough'))
  await here.operations.destroy()
  const [cut] = await world.sql<{ done: number; pass: number; holder: string | null }>(
    'select done::int, pass, holder from staging_sync.scrub',
  )
  expect(cut).toMatchObject({ done: 10, holder: null })
  const { report } = await scrub()
  expect(report.builds).toBe(builds.size)
  const [row] = await world.sql<{ done: number; pass: number }>(
    'select done::int, pass from staging_sync.scrub',
  )
  expect(row).toEqual({ done: 10, pass: (cut?.pass ?? 0) + 1 })
})
