import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BuildConverger } from '../../src/converge/build/build.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { payDebts } from '../../src/staging/debt.ts'
import type { ProdWorld } from '../sim/prod-world.ts'
import type { NewBuild } from '../sim/world/builds.ts'
import { expectSame, placements, stagingTree, sweep } from './build-support.ts'
import { Crash, TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
  await sync.prod.addTag('crash-tag')
})
afterAll(() => sync.close())

interface Change {
  readonly name: string
  /** false: the build is not in staging before */
  readonly before: boolean
  readonly draft?: boolean
  readonly work: (prod: ProdWorld, build: NewBuild) => Promise<unknown>
}

const CHANGES: readonly Change[] = [
  { name: 'import', before: false, work: async () => undefined },
  { name: 're-sign', before: true, work: (prod, build) => prod.signRpm(build.rpms[0] as number, 'cafe0009') },
  { name: 'promote', before: true, draft: true, work: (prod, build) => prod.promoteBuild(build.id) },
  { name: 'volume', before: true, work: (prod, build) => prod.changeVolume(build.id, 'elsewhere') },
  { name: 'delete', before: true, work: (prod, build) => prod.deleteBuild(build.id) },
  { name: 'reset', before: true, work: (prod, build) => prod.resetBuild(build.id) },
]

/**
 * Each run crashes at some of the effects, another set each time; with KSS_TEST_FULL=1 at every one. KSS_TEST_SEED repeats a run.
 */
const ALL = process.env.KSS_TEST_FULL === '1'
const SEED = Number(process.env.KSS_TEST_SEED ?? Math.floor(Math.random() * 1_000))
const EVERY = ALL ? 1 : 6
console.info(`KSS_TEST_SEED=${SEED}${ALL ? ', every effect' : ''}`)

const PREFIX = 'crash-'

async function make(change: Change, index: number): Promise<NewBuild> {
  return sync.prod.importBuild({
    name: `${PREFIX}${change.name}-${index}`,
    version: '1',
    release: '1',
    draft: change.draft ?? false,
    rpms: [{ arch: 'src' }],
    ...(change.draft === true
      ? {}
      : {
          archives: [
            {
              filename: 'a.jar',
              type: 'jar',
              btype: 'maven',
              maven: { groupId: 'g', artifactId: 'a', version: '1' },
            },
          ],
        }),
  })
}

const READS =
  /^file\.(open|lstat|stat|realpath|readlink|list)$|^sql\.(.*\.(standing|present|find|any|used-parts|local-tags)|names\.(read|verify)\..*|listing\..*|rows\.select\..*)$/

/** Converges once; from the step `at` on every step fails, as if the process were gone. Returns the effects. */
async function converge(build: NewBuild, at: number): Promise<{ steps: string[]; crashed: boolean }> {
  const [claim] = await sync.queue.markAndClaim([
    { key: { kind: 'build', buildId: build.id }, priority: 'sweep' },
  ])
  const steps: string[] = []
  sync.onStep = (name) => {
    // Between two effects nothing changes: a crash before a read is one before the next effect.
    if (!READS.test(name)) steps.push(name)
    if (steps.length >= at) throw new Crash(name)
    return undefined
  }
  let crashed = false
  try {
    const { key } = claim as Claim & { key: { kind: 'build'; buildId: number } }
    const signal = new AbortController().signal
    const ended = await new BuildConverger(sync.deps()).converge(key, claim as Claim, signal)
    sync.onStep = () => undefined
    if (!ended.fenced) await sync.queue.finish([{ claim: claim as Claim, outcome: ended.outcome }])
  } catch (error) {
    crashed = true
    expect(error).toBeInstanceOf(Crash)
  } finally {
    sync.onStep = () => undefined
  }
  if (crashed) await sync.queue.release([claim as Claim], { delayMs: 0 })
  return { steps, crashed }
}

/** What of the tree and the records is of these builds, with a build's own name and id taken out. */
async function traces(build: NewBuild, name: string, all?: Record<string, string>): Promise<unknown> {
  const plain = (text: string): string =>
    text.replaceAll(name, 'N').replaceAll(`draft_${build.id}`, 'draft_ID')
  const tree = Object.entries(all ?? (await stagingTree(sync)))
    .filter(([path]) => path.split('/').includes(name))
    .map(([path, text]) => [plain(path), plain(text)])
  return { tree, records: (await placements(sync, build.id)).map(plain) }
}

describe('a crash at an effect, and a fresh start, of', () => {
  for (const change of CHANGES) {
    it(`${change.name}: equal afterwards, no link, row or record left over`, async () => {
      const { prod } = sync
      const nameOf = (index: number): string => `${PREFIX}${change.name}-${index}`
      // Names that are new to staging are made with the first.
      await sweep(sync, [(await make(change, -1)).id])
      const control = await make(change, 0)
      if (change.before) await sweep(sync, [control.id])
      await change.work(prod, control)
      const { steps, crashed } = await converge(control, Number.POSITIVE_INFINITY)
      expect(crashed).toBe(false)
      expect(steps.length).toBeGreaterThan(5)
      const wanted = await traces(control, nameOf(0))

      const points = steps.flatMap((_step, i) => (i % EVERY === SEED % EVERY ? [i + 1] : []))
      const builds: NewBuild[] = []
      for (const point of points) builds.push(await make(change, point))
      if (change.before)
        await sweep(
          sync,
          builds.map(({ id }) => id),
        )
      for (const build of builds) await change.work(prod, build)
      for (const [index, build] of builds.entries()) await converge(build, points[index] as number)
      await payDebts(sync.database, sync.catalog, sync.deps().owner.userId)
      const ended = await sweep(
        sync,
        builds.map(({ id }) => id),
      )
      expect(new Set([...ended.values()].map(({ kind }) => kind)).has('failed')).toBe(false)

      const rows = await prod.rows(
        `select b.id, p.name || '-' || b.version || '-' || b.release as nvr from build b join package p on p.id = b.pkg_id
          where b.id = any($1) order by b.id`,
        [builds.map(({ id }) => id)],
      )
      const tree = await stagingTree(sync)
      for (const [index, row] of rows.entries()) {
        await expectSame(sync, String(row.nvr))
        expect(
          await traces(builds[index] as NewBuild, nameOf(points[index] as number), tree),
          `crashed at ${steps[(points[index] as number) - 1]}`,
        ).toEqual(wanted)
      }
      const again = await sweep(
        sync,
        builds.map(({ id }) => id),
      )
      expect(new Set([...again.values()].map(({ kind }) => kind))).toEqual(new Set(['unchanged']))
      expect(await sync.local.rows('select 1 from staging_sync.debt')).toEqual([])
      console.info(`crashed at ${points.length} of ${steps.length} effects of ${change.name}`)
    })
  }

  it("leaves nothing of the placement's own in the tree", async () => {
    const paths = Object.keys(await stagingTree(sync))
    expect(paths.filter((path) => path.includes('.kss-'))).toEqual([])
  })
})
