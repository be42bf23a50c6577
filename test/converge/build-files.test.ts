import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BuildConverger } from '../../src/converge/build/build.ts'
import { Scope } from '../../src/converge/scope.ts'
import { OutageError } from '../../src/errors.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import type { NewBuild } from '../sim/world/builds.ts'
import { expectSame, placements, stagingRow, stagingTree, sweepOne } from './build-support.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync.close())

const made = async (name: string): Promise<NewBuild> => {
  const build = await sync.prod.importBuild({ name, version: '1', release: '1', rpms: [{ arch: 'src' }] })
  await sweepOne(sync, build.id)
  return build
}

/** One claim of one daemon, from beginning to end. */
async function converge(build: NewBuild): Promise<Outcome> {
  const key = { kind: 'build' as const, buildId: build.id }
  const [claim] = await sync.queue.markAndClaim([{ key, priority: 'sweep' }])
  if (claim === undefined) throw new Error('not claimed')
  const ended = await new BuildConverger(sync.deps()).converge(key, claim, new AbortController().signal)
  if (!ended.fenced) await sync.queue.finish([{ claim, outcome: ended.outcome }])
  return ended.outcome
}

/** Somebody comes to the step `at` for the first time: he is kept there until `go`. */
function hold(at: string): { readonly reached: Promise<void>; readonly go: () => void } {
  let go = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  const reached = new Promise<void>((resolve) => {
    sync.onStep = (name) => {
      if (name !== at) return undefined
      sync.onStep = () => undefined
      resolve()
      return gate
    }
  })
  return { reached, go }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const linksOf = async (name: string): Promise<string[]> =>
  Object.keys(await stagingTree(sync)).filter((path) => path.includes(`/${name}/`))

describe('a daemon that falls asleep when it has committed a removal, and before the files are gone', () => {
  for (const at of [
    'sql.placement.take-away.begin',
    'sql.placement.lock',
    'file.unlink',
    'sql.placement.forget',
  ]) {
    it(`(at ${at}) takes nothing from the build that came back meanwhile`, async () => {
      const { prod } = sync
      const name = `asleep-${at.replaceAll('.', '-')}`
      const build = await made(name)
      await prod.resetBuild(build.id)
      const { reached, go } = hold(at)
      const first = converge(build)
      await reached
      expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 4 })
      await prod.recycleBuild(build.id)
      await prod.completeBuild(build.id, { rpms: [{ arch: 'src' }] })
      const second = converge(build)
      // Either it is through, or it waits for the sleeper.
      await Promise.race([second, pause(500)])
      go()
      expect(await first).toMatchObject({ kind: 'applied' })
      expect(await second).toMatchObject({ kind: 'applied' })
      await expectSame(sync, build.nvr)
      expect(await stagingRow(sync, build.nvr)).toMatchObject({ state: 1, volume: 'prod' })
      expect(await linksOf(name)).toEqual([`packages/${name}/1/1`, `vol/prod/packages/${name}/1/1`])
      expect(await placements(sync, build.id)).toEqual(['prod 1 placed'])
      expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'unchanged' })
    })
  }
})

describe('files without rows', () => {
  it('of a crash before the rows go only when the claim still holds', async () => {
    const { prod } = sync
    const build = await prod.importBuild({
      name: 'lost',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    sync.onStep = (name) => {
      if (name === 'sql.build.begin') throw new OutageError('database', 'TEST_DOWN', 'down')
      return undefined
    }
    await expect(converge(build)).rejects.toThrow('down')
    sync.onStep = () => undefined
    await sync.clearQueue()
    expect(await placements(sync, build.id)).toEqual(['prod 1 intent'])
    await prod.resetBuild(build.id)
    const { reached, go } = hold('sql.build.drop-places.begin')
    const first = converge(build).catch((error) => error)
    await reached
    // Its claim is taken over by another daemon, which finds the build COMPLETE again.
    await sync.clearQueue()
    await prod.recycleBuild(build.id)
    await prod.completeBuild(build.id, { rpms: [{ arch: 'src' }] })
    expect(await converge(build)).toMatchObject({ kind: 'applied' })
    go()
    expect(await first).toMatchObject({ code: 'QUEUE_CLAIM_LOST' })
    expect(await linksOf('lost')).toHaveLength(2)
    expect(await placements(sync, build.id)).toEqual(['prod 1 placed'])
  })

  it('of a build that left scope go too', async () => {
    const { prod } = sync
    await prod.addTag('leaves')
    const build = await prod.importBuild({
      name: 'left',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    await prod.tagBuild('leaves', build.id)
    sync.onStep = (name) => {
      if (name === 'sql.build.begin') throw new OutageError('database', 'TEST_DOWN', 'down')
      return undefined
    }
    await expect(converge(build)).rejects.toThrow('down')
    sync.onStep = () => undefined
    await sync.clearQueue()
    await prod.untagBuild('leaves', build.id)
    expect(await linksOf('left')).toHaveLength(2)
    const scope = new Scope({ tags: ['*'], excludeTags: [], builds: 'tagged', sideTags: false })
    expect(await sweepOne(sync, build.id, { scope })).toMatchObject({ kind: 'skipped' })
    expect(await linksOf('left')).toEqual([])
    expect(await placements(sync, build.id)).toEqual([])
  })

  it('that a COMPLETE row needs stay, whatever the record says', async () => {
    const build = await made('needed')
    await sync.local.rows(`update staging_sync.placement set state = 'removing' where prod_build_id = $1`, [
      build.id,
    ])
    await sync.prod.resetBuild(build.id)
    // Staging's people made the row anew on that volume: it is theirs.
    await sync.local.rows('delete from staging_sync.owned where kind = $1 and prod_id = $2', [
      'build',
      build.id,
    ])
    expect(await sweepOne(sync, build.id)).toMatchObject({ kind: 'skipped' })
    expect(await linksOf('needed')).toHaveLength(2)
  })
})

describe('an error after the commit', () => {
  for (const at of ['sql.placement.lock', 'file.unlink', 'sql.placement.forget']) {
    it(`(at ${at}) does not replace the outcome of a removal, and what is left is done later`, async () => {
      const name = `after-${at.replaceAll('.', '-')}`
      const build = await made(name)
      await sync.prod.resetBuild(build.id)
      sync.onStep = (step) => {
        if (step !== at) return undefined
        sync.onStep = () => undefined
        throw new OutageError(at.startsWith('file') ? 'storage' : 'database', 'TEST_DOWN', 'down')
      }
      expect(await converge(build)).toMatchObject({ kind: 'applied' })
      sync.onStep = () => undefined
      await sync.drain()
      expect(await linksOf(name)).toEqual([])
      expect(await placements(sync, build.id)).toEqual([])
    })
  }

  it('in the last look does not replace the outcome of an import; the key is looked at again', async () => {
    const build = await sync.prod.importBuild({
      name: 'last',
      version: '1',
      release: '1',
      rpms: [{ arch: 'src' }],
    })
    let committed = false
    sync.onStep = (step) => {
      if (step === 'sql.build.commit') committed = true
      if (!committed || step !== 'sql.build.standing') return undefined
      sync.onStep = () => undefined
      throw new OutageError('database', 'TEST_DOWN', 'down')
    }
    expect(await converge(build)).toMatchObject({ kind: 'applied' })
    sync.onStep = () => undefined
    expect(await sync.queued()).toEqual([`build/${build.id}`])
    expect([...(await sync.drain()).values()]).toMatchObject([{ kind: 'unchanged' }])
  })
})
