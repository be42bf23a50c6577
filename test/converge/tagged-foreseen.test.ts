import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TaggedConverger } from '../../src/converge/tagged.ts'
import type { Key } from '../../src/model/key.ts'
import type { Expectation } from '../../src/model/outcome.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { snapshotTag } from './snapshot.ts'
import { TestSync } from './support.ts'

describe('a listing that is asked for before its key is claimed', () => {
  const key = { kind: 'tagged', tagId: 1, packageId: 1 } satisfies Key
  const signal = new AbortController().signal
  let sync: TestSync
  let builds: number[]
  let converger: TaggedConverger
  beforeAll(async () => {
    sync = await TestSync.open({ scope: { builds: 'all' } })
    sync.priority = 'sweep'
    await sync.prod.addTag('f43')
    await sync.prod.addPackage('f43', 'bash')
    builds = []
    for (const release of ['1', '2', '3', '4']) {
      const rpms = [{ arch: 'noarch' }]
      builds.push((await sync.prod.importBuild({ name: 'bash', version: '5', release, rpms })).id)
    }
    await sync.prod.tagBuild('f43', builds[0] as number)
    await sync.sync(['tag/f43', ...builds.map((id) => `build/${id}`)])
    converger = new TaggedConverger(sync.deps())
    await see()
  })
  afterAll(() => sync.close())
  beforeEach(() => sync.hub.knobs.clear())

  /** The converger has seen the listing as it is. */
  const see = async (): Promise<void> => {
    const [claim] = await sync.queue.markAndClaim([{ key, priority: 'live' }])
    await converger.converge(key, claim as Claim, signal)
    await sync.queue.release([claim as Claim], { delayMs: 0 })
    await sync.drain()
  }
  const build = (index: number): number => builds[index] as number
  const tagged = (index: number): Expectation[] => [{ subject: `build:${build(index)}`, claim: 'tagged' }]
  const asked = (): number => sync.hub.knobs.calls.filter(({ method }) => method === 'queryHistory').length
  const claimed = async (expect: readonly Expectation[]): Promise<Claim> => {
    const [claim] = await sync.queue.markAndClaim([{ key, priority: 'live', expect }])
    return claim as Claim
  }
  const expectEqual = async (): Promise<void> => {
    expect(await snapshotTag(sync.local, 'f43')).toEqual(await snapshotTag(sync.prod, 'f43'))
    expect(await sync.queued()).toEqual([])
  }

  it('is applied without being asked for again', async () => {
    await sync.prod.tagBuild('f43', build(1))
    const foreseen = converger.foresee(key, tagged(1), signal)
    const { outcome } = await converger.converge(key, await claimed(tagged(1)), signal, foreseen)
    expect(outcome).toEqual({ kind: 'applied', rows: 1 })
    expect(asked()).toBe(1)
    await expectEqual()
  })

  it('is asked for again when its key was marked by somebody else, too', async () => {
    const foreseen = converger.foresee(key, tagged(1), signal)
    await foreseen.prod
    await sync.prod.tagBuild('f43', build(2))
    await sync.queue.mark([{ key, priority: 'sweep' }])
    const { outcome } = await converger.converge(key, await claimed(tagged(1)), signal, foreseen)
    expect(outcome).toEqual({ kind: 'applied', rows: 1 })
    await expectEqual()
  })

  it.each([
    ['tagged', () => sync.prod.tagBuild('f43', build(3))],
    ['untagged', () => sync.prod.untagBuild('f43', build(2))],
    ['retagged', () => sync.prod.retagBuild('f43', build(0))],
  ])('is asked for again when another daemon has applied a later one: %s', async (_, change) => {
    const foreseen = converger.foresee(key, tagged(1), signal)
    await foreseen.prod
    await change()
    expect(await sync.one('tagged/1/1')).toMatchObject({ kind: 'applied' })
    const later = await sync.fingerprint()
    await converger.converge(key, await claimed(tagged(1)), signal, foreseen)
    await sync.clearQueue()
    expect(await sync.fingerprint()).toEqual(later)
    await expectEqual()
  })

  it('fails as any read does when prod does not answer', async () => {
    sync.hub.knobs.failNext('server-offline')
    const foreseen = converger.foresee(key, tagged(1), signal)
    const claim = await claimed(tagged(1))
    await expect(converger.converge(key, claim, signal, foreseen)).rejects.toMatchObject({
      part: 'hub',
    })
    await sync.clearQueue()
  })

  describe('with staging looked at while prod answers', () => {
    let steps: string[]
    const watched = ['sql.tagged.look', 'sql.converge.begin', 'sql.events.take', 'sql.converge.commit']
    const watch = (at: string | null = null, meanwhile?: () => Promise<unknown>): void => {
      steps = []
      sync.onStep = (name) => {
        if (watched.includes(name)) steps.push(name.slice('sql.'.length))
        return name === at && meanwhile !== undefined ? meanwhile().then(() => {}) : undefined
      }
    }
    const newBuilds = async (...releases: string[]): Promise<void> => {
      await see()
      for (const release of releases) {
        const rpms = [{ arch: 'noarch' }]
        const { id } = await sync.prod.importBuild({ name: 'bash', version: '6', release, rpms })
        builds.push(id)
        await sync.sync([`build/${id}`])
        await sync.prod.tagBuild('f43', id)
      }
    }
    const last = (): number => builds.length - 1
    afterEach(() => {
      sync.onStep = () => undefined
    })

    it('sends all that it writes along with the begin', async () => {
      await newBuilds('1')
      watch()
      const foreseen = converger.foresee(key, tagged(last()), signal)
      const { outcome } = await converger.converge(key, await claimed(tagged(last())), signal, foreseen)
      expect(outcome).toEqual({ kind: 'applied', rows: 1 })
      expect(steps).toEqual([
        'tagged.look',
        'converge.begin',
        'events.take',
        'converge.commit',
        'tagged.look',
      ])
      await expectEqual()
    })

    it('sees after the commit what staging’s people did since the look', async () => {
      await newBuilds('2')
      watch('sql.events.take', () => sync.local.untagBuild('f43', build(1)))
      const foreseen = converger.foresee(key, tagged(last()), signal)
      await converger.converge(key, await claimed(tagged(last())), signal, foreseen)
      expect(await sync.queued()).toEqual(['tagged/1/1'])
      sync.onStep = () => undefined
      await sync.drain()
      await expectEqual()
    })

    it('looks again when prod shows a build that neither the message names nor staging lists', async () => {
      await newBuilds('3', '4')
      watch()
      const foreseen = converger.foresee(key, tagged(last()), signal)
      const { outcome } = await converger.converge(key, await claimed(tagged(last())), signal, foreseen)
      expect(outcome).toEqual({ kind: 'applied', rows: 2 })
      expect(steps.slice(0, 4)).toEqual(['tagged.look', 'converge.begin', 'tagged.look', 'events.take'])
      await expectEqual()
    })

    it('looks again when prod answers late', async () => {
      await newBuilds('5')
      watch()
      const { prod, eventBefore } = converger.foresee(key, tagged(last()), signal)
      const late = { prod: delay(150).then(() => prod), eventBefore }
      await converger.converge(key, await claimed(tagged(last())), signal, late)
      expect(steps.slice(0, 3)).toEqual(['tagged.look', 'converge.begin', 'tagged.look'])
      await expectEqual()
    })

    it('writes nothing when the begin fails that it was sent along with', async () => {
      await newBuilds('6')
      const before = await sync.fingerprint()
      const foreseen = converger.foresee(key, tagged(last()), signal)
      const claim = await claimed(tagged(last()))
      watch('sql.converge.begin', () => Promise.reject(new Error('refused')))
      await expect(converger.converge(key, claim, signal, foreseen)).rejects.toThrow('refused')
      expect(await sync.fingerprint()).toEqual(before)
      sync.onStep = () => undefined
      await sync.queue.release([claim], { delayMs: 0 })
      await sync.drain()
      await expectEqual()
    })
  })
})
