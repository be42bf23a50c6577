import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
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
    // It has seen the listing as it is.
    const [claim] = await sync.queue.markAndClaim([{ key, priority: 'live' }])
    await converger.converge(key, claim as Claim, signal)
    await sync.queue.release([claim as Claim], { delayMs: 0 })
    await sync.drain()
  })
  afterAll(() => sync.close())
  beforeEach(() => sync.hub.knobs.clear())

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
})
