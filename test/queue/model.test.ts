import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FenceError } from '../../src/errors.ts'
import { formatKey } from '../../src/model/key.ts'
import type { Claim } from '../../src/queue/queue.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { apply, build, mark, openQueue, type TestQueue } from './setup.ts'

let server: TestDatabase
let daemons: [TestQueue, TestQueue]

beforeAll(async () => {
  server = await testDatabase({ koji: 'none' })
  daemons = [await openQueue(server.url), await openQueue(server.url)]
})
afterAll(async () => {
  for (const { database } of daemons ?? []) await database.destroy()
  await server?.drop()
})

const KEYS = 4
const id = fc.integer({ min: 1, max: KEYS })
const daemon = fc.integer({ min: 0, max: 1 })
const pick = fc.nat({ max: 20 })

type Action =
  | { do: 'mark' | 'mark and claim'; daemon: number; ids: number[] }
  | { do: 'claim'; daemon: number; limit: number }
  | { do: 'apply' | 'finish' | 'fail' | 'park' | 'release' | 'renew'; daemon: number; pick: number }
  | { do: 'wait'; daemon: number; pick: number; ids: number[] }
  | { do: 'leases end' | 'time passes' }

const ids = fc.uniqueArray(id, { minLength: 1, maxLength: KEYS })
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constantFrom('mark', 'mark and claim'), daemon, ids }),
  fc.record({ do: fc.constant('claim'), daemon, limit: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constantFrom('apply', 'finish', 'fail', 'park', 'release', 'renew'), daemon, pick }),
  fc.record({ do: fc.constant('wait'), daemon, pick, ids }),
  fc.record({ do: fc.constantFrom('leases end', 'time passes') }),
)

/** What must hold, kept beside the queue: claims by token, and what was marked since. */
class Model {
  /** Keys marked and not applied since, by text. */
  readonly dirty = new Set<string>()
  /** The newest claim of each key, until it ended. */
  readonly holder = new Map<string, number>()
  readonly claims: Claim[] = []
  readonly #markedSince = new Set<number>()

  marked(key: string): void {
    this.dirty.add(key)
    const token = this.holder.get(key)
    if (token !== undefined) this.#markedSince.add(token)
  }

  claimed(claim: Claim): void {
    const key = formatKey(claim.key)
    expect(claim.token).toBeGreaterThan(this.holder.get(key) ?? 0)
    this.holder.set(key, claim.token)
    this.claims.push(claim)
  }

  isHolder(claim: Claim): boolean {
    return this.holder.get(formatKey(claim.key)) === claim.token
  }

  ended(claim: Claim, ending: 'done' | 'again' | 'lost'): void {
    expect(ending === 'lost').toBe(!this.isHolder(claim))
    if (ending === 'lost') return
    if (this.#markedSince.has(claim.token)) expect(ending).toBe('again')
    if (ending === 'done') this.dirty.delete(formatKey(claim.key))
    this.givenBack(claim)
  }

  givenBack(claim: Claim): void {
    if (this.isHolder(claim)) this.holder.delete(formatKey(claim.key))
  }
}

async function perform(model: Model, step: Action): Promise<void> {
  if (!('daemon' in step)) {
    const [text, name] =
      step.do === 'leases end'
        ? [`update staging_sync.queue set lease_until = '-infinity' where lease_until is not null`, 'leases']
        : [`update staging_sync.queue set due_at = clock_timestamp()`, 'time']
    await daemons[0].database.query(`test.${name}`, text)
    return
  }
  const own = daemons[step.daemon] as TestQueue
  if (!('pick' in step) && 'ids' in step) {
    const marks = step.ids.map((n) => mark(build(n)))
    if (step.do === 'mark') await own.queue.mark(marks)
    const claims = step.do === 'mark' ? [] : await own.queue.markAndClaim(marks)
    for (const { key } of marks) model.marked(formatKey(key))
    for (const claim of claims) model.claimed(claim)
    return
  }
  if (!('pick' in step)) {
    for (const claim of await own.queue.claim(step.limit)) model.claimed(claim)
    return
  }
  const claim = model.claims[step.pick % Math.max(1, model.claims.length)]
  if (claim === undefined) return
  await end(model, own, claim, step)
}

type End = Extract<Action, { pick: number }>

async function end(model: Model, own: TestQueue, claim: Claim, step: End): Promise<void> {
  if (step.do === 'apply') {
    const ending = await apply(own, claim).catch((error: unknown) => {
      if (error instanceof FenceError) return 'lost' as const
      throw error
    })
    model.ended(claim, ending)
  } else if (step.do === 'finish') {
    const [ending] = await own.queue.finish([{ claim, outcome: { kind: 'unchanged' } }])
    model.ended(claim, ending ?? 'lost')
  } else if (step.do === 'renew') {
    expect(await own.queue.renew([claim])).toEqual(model.isHolder(claim) ? [] : [claim])
  } else {
    if (step.do === 'fail') await own.queue.fail(claim, { reason: 'x', code: 'X' })
    if (step.do === 'park') await own.queue.fail(claim, { reason: 'x', code: 'X', park: true })
    if (step.do === 'release') await own.queue.release([claim], { delayMs: 0 })
    if (step.do === 'wait') await own.queue.wait(claim, step.ids.map(build), 'x')
    model.givenBack(claim)
  }
}

const queued = async (): Promise<string[]> =>
  (await daemons[0].database.query<{ key: string }>('test.keys', 'select key from staging_sync.queue')).map(
    ({ key }) => key,
  )

it('never loses a mark, and lets nobody apply but the newest holder, whatever happens in any order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (steps) => {
      await daemons[0].database.query('test.empty', 'delete from staging_sync.queue')
      const model = new Model()
      for (const step of steps) {
        await perform(model, step)
        expect(await queued()).toEqual(expect.arrayContaining([...model.dirty]))
      }
      // Then everything comes to an end, in few rounds: a wake may cost one more per waiter.
      for (let round = 0; round < 4 * KEYS && (await queued()).length > 0; round += 1) {
        await perform(model, { do: 'leases end' })
        await perform(model, { do: 'time passes' })
        for (const claim of await daemons[1].queue.claim(KEYS)) {
          model.claimed(claim)
          model.ended(claim, await apply(daemons[1], claim))
        }
      }
      expect(await queued()).toEqual([])
      expect([...model.dirty]).toEqual([])
    }),
    { numRuns: 40 },
  )
})
