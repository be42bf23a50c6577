import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { createPlacements, MIGRATIONS } from '../../src/context/engine.ts'
import { seedWishes } from '../../src/operations/seed-wishes.ts'
import { readPlannedFiles } from '../../src/seed/planned-files.ts'
import { ResetReport } from '../../src/seed/report.ts'
import { placeBuilds } from '../../src/seed/reset-placement.ts'
import { Session } from '../../src/seed/session.ts'
import { Database } from '../../src/staging/database.ts'
import { migrate } from '../../src/staging/migration.ts'
import { listPlacements } from '../../src/staging/placements.ts'
import { noStep } from '../../src/step.ts'
import { openWorld } from '../sim/prod-world.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { scratchHome } from '../support/scratch.ts'

let loaded: TestDatabase
let session: Session
let database: Database
let root: string

/** A dump's rows: builds named after the tag that they are in, two of each, and one in no tag. */
beforeAll(async () => {
  root = await mkdtemp(join(scratchHome(), 'kss-placing-'))
  for (const tree of ['prod', 'staging']) await mkdir(join(root, tree, 'packages'), { recursive: true })
  loaded = await testDatabase()
  const prod = await openWorld({ databaseUrl: loaded.url, topdir: join(root, 'prod') })
  for (const [tag, parent] of [['base'], ['f43'], ['f44', 'base'], ['f44-side'], ['dest']] as const)
    await prod.addTag(tag, {
      ...(parent === undefined ? {} : { parent }),
      ...(tag === 'f44-side' ? { extra: { sidetag: true } } : {}),
    })
  await prod.addTarget('f44', 'f44', 'dest')
  for (const tag of ['base', 'f43', 'f44', 'f44-side', 'dest', null]) {
    for (const version of ['1', '2']) {
      const name = tag ?? 'untagged'
      const { id } = await prod.importBuild({ name, version, release: '1', rpms: [{ arch: 'x86_64' }] })
      if (tag === null) continue
      await prod.addPackage(tag, name)
      await prod.tagBuild(tag, id)
    }
  }
  const part = await prod.importBuild({
    name: 'part',
    version: '1',
    release: '1',
    rpms: [{ arch: 'x86_64' }],
  })
  const image = await prod.importBuild({
    ...{ name: 'image', version: '1', release: '1', image: true },
    archives: [{ filename: 'x.qcow2', type: 'qcow2', btype: 'image', image: { arch: 'x86_64' } }],
  })
  await prod.addPackage('f44', 'image')
  await prod.tagBuild('f44', image.id)
  await prod.rows('insert into archive_rpm_components (archive_id, rpm_id) values ($1, $2)', [
    image.archives[0],
    part.rpms[0],
  ])
  await prod.rows('update rpminfo set size = 1000; update archiveinfo set size = 500')
  await prod.close()
  session = await Session.open({ url: loaded.url, step: noStep })
  const connection = { applicationName: 'test', poolSize: 2, connectTimeoutMs: 10_000, step: noStep }
  database = await Database.create({ url: loaded.url, ...connection })
  await migrate(database, MIGRATIONS)
})
afterAll(async () => {
  await session?.close()
  await database?.destroy()
  await loaded?.drop()
  await rm(root, { recursive: true, force: true })
})

const names = async (sql: string): Promise<string[]> =>
  (await session.query<{ name: string }>('test', sql)).map(({ name }) => name)

/** What is so after a seed with that configuration; then it is taken back. */
async function placing(
  more: string,
  work: (report: ResetReport) => Promise<void>,
  topdir = `topdir = "${join(root, 'prod')}"\nlink_target = "${join(root, 'prod')}"\nallow_writable_mount = true`,
): Promise<void> {
  const file = join(root, 'config.toml')
  await writeFile(
    file,
    `[prod]\nhub = "http://127.0.0.1:1/kojihub"\n${topdir}\n[staging]\ndatabase = "${loaded.url}"\ntopdir = "${join(root, 'staging')}"\n${more}`,
  )
  const config = loadConfig({ file, env: {}, assignments: [] })
  const wishes = seedWishes(config, createPlacements(config, noStep, {}))
  const report = new ResetReport()
  const back = new Error('taken back')
  await expect(
    session.transaction('test', async () => {
      await placeBuilds({ session, wishes, report })
      await work(report)
      throw back
    }),
  ).rejects.toBe(back)
}

const BY = (mode: string): string =>
  `select name || '-' || version as name from staging_sync.placement where mode = '${mode}' order by 1`
const IN_SCOPE = ['base-1', 'base-2', 'dest-1', 'dest-2', 'f44-1', 'f44-2', 'image-1', 'part-1']
const OUTSIDE = ['f43-1', 'f43-2', 'f44-side-1', 'f44-side-2', 'untagged-1', 'untagged-2']
const COPY = '[scope]\ntags = ["f44*"]\n[[placement]]\nmode = "copy"\n'

describe('a seed places complete builds', () => {
  it('by copy where scope has them, by its tags, their parents, targets and what archives contain; others as links', () =>
    placing(COPY, async () => {
      expect(await names(BY('copy'))).toEqual(IN_SCOPE)
      expect(await names(BY('volume'))).toEqual(OUTSIDE)
      expect(
        await names(
          `select distinct v.name from build b join volume v on v.id = b.volume_id join package p on p.id = b.pkg_id where p.name in ('f44', 'f43') order by 1`,
        ),
      ).toEqual(['prod', 'prod-copy'])
      expect(await readPlannedFiles(session)).toEqual({
        modes: [
          { mode: 'copy', builds: 8, toBring: 8, bytesToBring: 7500 },
          { mode: 'volume', builds: 6, toBring: 6, bytesToBring: 0 },
        ],
        withoutFiles: 0,
      })
    }))

  it('the newest first', () =>
    placing(COPY, async () => {
      const ids = (await listPlacements(session, { states: ['intent'] }))
        .filter(({ mode }) => mode === 'copy')
        .map(({ prodBuildId }) => prodBuildId)
      expect(ids).toEqual([...ids].sort((a, b) => b - a))
      expect(ids).toHaveLength(8)
    }))

  it('without files where scope has them not and nothing is mounted', () =>
    placing(
      COPY,
      async (report) => {
        expect(await names(BY('copy'))).toEqual(IN_SCOPE)
        expect(await names(BY('volume'))).toEqual([])
        expect((await readPlannedFiles(session)).withoutFiles).toBe(6)
        expect(report.resets).toContainEqual(
          expect.objectContaining({
            table: 'build',
            what: expect.stringContaining('left without files'),
            rows: 6,
          }),
        )
      },
      'topurl = "http://127.0.0.1:1/kojifiles"',
    ))

  it('by what the rules say of each, by its tags in scope', () =>
    placing(
      '[scope]\nbuilds = "all"\ntags = ["f44*"]\n[[placement]]\nmode = "farm"\ntags = ["f4*"]\n[[placement]]\nmode = "volume"\n',
      async () => {
        expect(await names(BY('farm'))).toEqual(['f44-1', 'f44-2', 'image-1'])
        expect(await names(BY('volume'))).toHaveLength(11)
      },
    ))
})
