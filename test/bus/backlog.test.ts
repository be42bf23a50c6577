import { afterEach, describe, expect, it } from 'vitest'
import type { ReceiverOptions } from '../../src/bus/receive.ts'
import { SafetyError, SyncError } from '../../src/errors.ts'
import { formatKey } from '../../src/model/key.ts'
import { until } from './publisher.ts'
import { counts, down, tagging, type World, world } from './world.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const start = (options: Partial<ReceiverOptions> = {}): Promise<World> => world(closers, options)

describe('while marks cannot be made', () => {
  it('what arrives during a slow mark is marked together in the next call', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const world1 = await start({ mark: () => held })
    await world1.from.publish(tagging(0))
    await until(() => world1.receiver.pending === 1)
    for (let n = 1; n <= 100; n++) await world1.from.publish(tagging(n))
    await until(() => world1.receiver.pending === 101)
    expect(world1.outcomes).toEqual([])
    release()
    await until(() => world1.outcomes.length === 101)
    expect(world1.calls).toEqual([1, 100])
  })

  it('messages wait for the database and are marked when it is back', async () => {
    let broken = true
    const { from, receiver, outcomes, catchUps } = await start({
      mark: () => (broken ? down() : Promise.resolve()),
    })
    for (let n = 0; n < 50; n++) await from.publish(tagging(n))
    await until(() => receiver.pending === 50)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(outcomes).toEqual([])
    broken = false
    await until(() => outcomes.length === 50)
    expect(counts(outcomes)).toEqual({ 'tag marked': 50 })
    expect(catchUps).toEqual(['connected'])
  })

  it('the oldest are dropped past the bound, each is counted, and catch-up is asked for then and afterwards', async () => {
    let broken = true
    const { from, receiver, outcomes, catchUps, marks } = await start({
      mark: () => (broken ? down() : Promise.resolve()),
      maxPending: 10,
      maxBatch: 2,
    })
    await from.publish(tagging(0))
    await until(() => receiver.pending === 1)
    for (let n = 1; n < 30; n++) await from.publish(tagging(n))
    await until(() => outcomes.length === 20)
    expect(receiver.pending).toBe(10)
    expect(catchUps).toEqual(['connected', 'overflow'])
    broken = false
    await until(() => outcomes.length === 30)
    expect(counts(outcomes)).toEqual({ 'tag refused overflow': 20, 'tag marked': 10 })
    expect(catchUps).toEqual(['connected', 'overflow', 'overflow'])
    expect(formatKey(marks.at(-1)?.key ?? { kind: 'tag', tagId: 0 })).toBe('lookup/tagged/6446/package-29')
    outcomes.length = 0
    await from.publish(tagging(1)) // it was dropped, so it is no duplicate
    await until(() => outcomes.length === 1)
    expect(counts(outcomes)).toEqual({ 'tag marked': 1 })
  })

  it('one message that the queue refuses does not take others with it', async () => {
    const { from, outcomes, catchUps, receiver } = await start({
      mark: async (marks) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        if (marks.some(({ key }) => formatKey(key).endsWith('package-13')))
          throw new SyncError('DATABASE_STATEMENT', 'invalid')
      },
    })
    for (let n = 0; n < 40; n++) await from.publish(tagging(n))
    await until(() => outcomes.length === 40)
    expect(counts(outcomes)).toEqual({ 'tag marked': 39, 'tag refused unmarkable': 1 })
    expect(catchUps).toEqual(['connected', 'unmarkable'])
    expect(receiver.pending).toBe(0)
  })

  it('a safety error ends the run, and what waited is told as lost', async () => {
    const { from, running, outcomes } = await start({
      mark: () => Promise.reject(new SafetyError('WRONG_HUB', 'the world looks wrong')),
    })
    await from.publish(tagging(1))
    await expect(running).rejects.toThrow('the world looks wrong')
    expect(counts(outcomes)).toEqual({ 'tag refused shutdown': 1 })
  })
})

describe('the end', () => {
  it('marks what is pending before it stops', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { from, receiver, outcomes, running } = await start({ mark: () => held })
    for (let n = 0; n < 5; n++) await from.publish(tagging(n))
    await until(() => receiver.pending === 5)
    const destroyed = receiver.destroy()
    release()
    await destroyed
    await running
    expect(counts(outcomes)).toEqual({ 'tag marked': 5 })
  })

  it('tells what could not be marked any more, and does not wait for a database that is down', async () => {
    const { from, receiver, outcomes, running } = await start({
      mark: down,
      retryMs: { first: 60_000, longest: 60_000 },
    })
    for (let n = 0; n < 5; n++) await from.publish(tagging(n))
    await until(() => receiver.pending === 5)
    await receiver.destroy()
    await running
    expect(counts(outcomes)).toEqual({ 'tag refused shutdown': 5 })
    expect(receiver.pending).toBe(0)
  })

  it('comes at once when nothing happens', async () => {
    const { receiver, running } = await start()
    await receiver.destroy()
    await receiver.destroy()
    await running
  })

  it('asks for a catch-up after every new connection', async () => {
    const { from, catchUps } = await start()
    await from.restart()
    await until(() => catchUps.length === 2)
    expect(catchUps).toEqual(['connected', 'connected'])
  })
})
