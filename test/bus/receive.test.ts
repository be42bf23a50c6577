import { afterEach, describe, expect, it } from 'vitest'
import { Receiver, type ReceiverOptions } from '../../src/bus/receive.ts'
import type { BusSource, SourceEvents } from '../../src/bus/source.ts'
import { SyncError } from '../../src/errors.ts'
import { formatKey } from '../../src/model/key.ts'
import { until } from './publisher.ts'
import { PREFIX, SAMPLES } from './samples.ts'
import { counts, tagging, type World, world } from './world.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const start = (options: Partial<ReceiverOptions> = {}): Promise<World> => world(closers, options)

describe('from the bus to marks', () => {
  it('marks every sample of production, or says why not', async () => {
    const { from, marks, outcomes } = await start()
    for (const { envelope } of SAMPLES) await from.publish(envelope)
    await until(() => outcomes.length >= SAMPLES.length - 1) // one is of stg: the subscription keeps it away
    expect(counts(outcomes)).toMatchInlineSnapshot(`
      {
        "build.state.change marked": 12,
        "build.state.change refused instance": 1,
        "package.list.change marked": 3,
        "repo.done ignored not-acted-on": 2,
        "repo.done refused instance": 1,
        "repo.init ignored not-acted-on": 2,
        "rpm.sign duplicate": 1,
        "rpm.sign marked": 6,
        "tag marked": 4,
        "task.state.change duplicate": 1,
        "task.state.change ignored not-acted-on": 3,
        "untag marked": 3,
      }
    `)
    expect(marks.map(({ key }) => formatKey(key))).toContain('lookup/tagged/1913/template-glib')
  })

  it('gives the messages along with their marks', async () => {
    const seen: unknown[] = []
    const { from } = await start({
      mark: async (marks, messages) => {
        seen.push([marks.length, messages.map(({ topic, id, sentAtMs }) => [topic, id, sentAtMs])])
      },
    })
    await from.publish(tagging(7))
    await until(() => seen.length === 1)
    expect(seen).toEqual([[1, [['tag', '2020-7', 1577836800000]]]])
  })

  it('marks a duplicate once', async () => {
    const { from, calls, outcomes } = await start()
    for (let n = 0; n < 3; n++) await from.publish(tagging(1))
    await until(() => outcomes.length === 3)
    expect(counts(outcomes)).toEqual({ 'tag duplicate': 2, 'tag marked': 1 })
    expect(calls).toEqual([1])
  })

  it('forgets the oldest ids first and never more than it may', async () => {
    const { from, outcomes } = await start({ rememberIds: 2 })
    for (const n of [1, 2, 3, 1, 3]) await from.publish(tagging(n))
    await until(() => outcomes.length === 5)
    expect(counts(outcomes)).toEqual({ 'tag marked': 4, 'tag duplicate': 1 })
  })

  it('does not take messages without an id for duplicates', async () => {
    const { from, outcomes } = await start()
    for (let n = 0; n < 3; n++) await from.publish({ ...tagging(1), ...{ msg_id: null } })
    await until(() => outcomes.length === 3)
    expect(counts(outcomes)).toEqual({ 'tag marked': 3 })
  })

  it('counts bad input by reason and goes on', async () => {
    const { from, outcomes } = await start()
    await from.send(`${PREFIX}tag`)
    await from.send(`${PREFIX}tag`, 'x')
    await from.publish(tagging(1, { build_id: 'x' }))
    await from.publish(tagging(2, { tag: '../x' }))
    await from.publish(tagging(3, { instance: 's390' }))
    await from.publish({ ...tagging(4), topic: `${PREFIX}tagged` })
    await from.publish(tagging(5, { name: '2048' }))
    await from.publish(tagging(6))
    await until(() => outcomes.length === 8)
    expect(counts(outcomes)).toEqual({
      'unknown refused frames': 1,
      'tag refused json': 1,
      'tag refused field:build_id': 1,
      'tag refused name:tag': 1,
      'tag refused instance': 1,
      'unknown ignored topic': 1,
      'tag refused ambiguous:package': 1,
      'tag marked': 1,
    })
  })

  it('tells how many endpoints are connected, also when they never were, and after silence', () => {
    const heard: { events?: SourceEvents } = {}
    const source: BusSource = {
      start: (events) => {
        heard.events = events
      },
      destroy: () => {},
      async *[Symbol.asyncIterator]() {},
    }
    const told: string[] = []
    const receiver = new Receiver({
      source,
      topicPrefix: PREFIX,
      instance: 'primary',
      baseUrl: null,
      known: { package: () => null, tag: () => null },
      mark: async () => {},
      onOutcome: () => {},
      onCatchUp: () => {},
      onConnection: (endpoint, state, connected) => told.push(`${endpoint} ${state} ${connected}`),
    })
    closers.push(() => receiver.destroy())
    receiver.run().catch(() => {})
    heard.events?.connected('a')
    heard.events?.disconnected('b')
    heard.events?.connected('b')
    heard.events?.silence(1)
    heard.events?.connected('a')
    expect(told).toEqual([
      'a connected 1',
      'b disconnected 1',
      'b connected 2',
      'a disconnected 1',
      'b disconnected 0',
      'a connected 1',
    ])
  })

  it('receives a burst of 20,000 whole, in batches', async () => {
    const { from, calls, marks, outcomes, catchUps } = await start()
    for (let n = 0; n < 20_000; n++) await from.publish(tagging(n, { name: `package-${n % 2000}` }))
    await until(() => outcomes.length >= 20_000)
    expect(counts(outcomes)).toEqual({ 'tag marked': 20_000 })
    expect(calls.reduce((sum, some) => sum + some, 0)).toBe(20_000)
    expect(Math.max(...calls)).toBeLessThanOrEqual(500)
    expect(new Set(marks.map(({ key }) => formatKey(key))).size).toBe(2000)
    expect(catchUps).toEqual(['connected'])
  })
})

describe('a verifier', () => {
  it('stands between the decoder and the keys', async () => {
    const verify: ReceiverOptions['verify'] = async ({ id, wire }) => {
      if (id === '2020-3') throw new SyncError('CRL_EXPIRED', 'the CRL is too old')
      if (id === '2020-4') throw new TypeError('a bug')
      return id === '2020-2' && wire !== null ? { ok: false, reason: 'signature' } : { ok: true }
    }
    const { from, outcomes, marks } = await start({ verify })
    for (let n = 1; n <= 4; n++) await from.publish(tagging(n))
    await until(() => outcomes.length === 4)
    expect(counts(outcomes)).toEqual({
      'tag marked': 1,
      'tag refused signature': 1,
      'tag refused verify:CRL_EXPIRED': 1,
      'tag refused verify:error': 1,
    })
    expect(marks).toHaveLength(1)
  })

  it('cannot be used to shadow a real message by a forged copy of its id', async () => {
    let forged = true
    const verify: ReceiverOptions['verify'] = () => {
      const verdict = forged ? ({ ok: false, reason: 'signature' } as const) : ({ ok: true } as const)
      forged = false
      return verdict
    }
    const { from, outcomes } = await start({ verify })
    await from.publish(tagging(1))
    await from.publish(tagging(1))
    await until(() => outcomes.length === 2)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['refused', 'marked'])
  })
})

describe('says that it comes round', () => {
  const grown = async (turns: () => number): Promise<void> => {
    const before = turns()
    await until(() => turns() > before)
  }
  const grows = async (turns: () => number): Promise<boolean> => {
    const before = turns()
    await new Promise((resolve) => setTimeout(resolve, 100)) // five times what the source takes
    return turns() > before
  }

  it('while the bus is silent, and not while marks hang or nobody takes messages', async () => {
    let [turns, seen] = [0, 0]
    const held: (() => void)[] = []
    const hold = () => new Promise<void>((resolve) => held.push(resolve))
    let verifying: Promise<void> | null = null
    const { from, outcomes } = await start({
      onTurn: () => {
        turns += 1
      },
      stuckMs: 1,
      mark: hold,
      verify: async () => {
        seen += 1
        await verifying
        return { ok: true }
      },
    })
    closers.push(() => {
      for (const go of held) go()
    })
    await grown(() => turns)
    await from.publish(tagging(1))
    await until(() => held.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await grows(() => turns)).toBe(false)
    held.shift()?.()
    await until(() => outcomes.length === 1)
    await grown(() => turns)

    verifying = hold()
    await from.publish(tagging(2))
    await until(() => seen === 2)
    expect(await grows(() => turns)).toBe(false)
    verifying = null
    for (const go of held.splice(0)) go()
    await until(() => held.length === 1)
    held.shift()?.()
  })
})
