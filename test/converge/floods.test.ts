import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Together } from '../../src/converge/floods.ts'
import { AgainError, OutageError, SafetyError } from '../../src/errors.ts'
import { formatKey, type Key } from '../../src/model/key.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import type { Claim, Queue } from '../../src/queue/queue.ts'
import type { TestDatabase } from '../support/postgres.ts'
import { type Bench, openBench, workerDatabase } from './worker-bench.ts'

let server: TestDatabase
beforeAll(async () => {
  server = await workerDatabase()
})
afterAll(() => server?.drop())

const UNCHANGED: Outcome = { kind: 'unchanged' }
const lists = (count: number): Key[] =>
  Array.from({ length: count }, (_, packageId) => ({ kind: 'tagged', tagId: 12, packageId }))

type TogetherWork = (claims: readonly Claim[], round: number) => readonly Claim[] | Promise<readonly Claim[]>

/** Ends claims together as `work` says; the rest is left. */
class Recorder implements Together {
  readonly rounds: string[][] = []
  /** the worker's own */
  queue: Queue | null = null
  readonly #work: TogetherWork
  constructor(work: TogetherWork) {
    this.#work = work
  }

  kinOf({ key }: Claim) {
    return key.kind === 'tagged' ? { kinds: ['tagged'], within: `/${key.tagId}/` } : null
  }

  async converge(
    _kin: unknown,
    claims: readonly Claim[],
    _signal: AbortSignal,
    ended: (claim: Claim, outcome: Outcome) => void,
  ): Promise<void> {
    this.rounds.push(claims.map(({ key }) => formatKey(key)))
    const done = await this.#work(claims, this.rounds.length)
    await this.queue?.finish(done.map((claim) => ({ claim, outcome: UNCHANGED })))
    for (const claim of done) ended(claim, UNCHANGED)
  }
}

/** A worker with four hands; what these converged. */
async function flooded(
  together: Recorder,
  keys: readonly Key[],
): Promise<Bench & { readonly alone: string[] }> {
  const alone: string[] = []
  const it = await openBench(
    server.url,
    async (key) => {
      alone.push(formatKey(key))
      return UNCHANGED
    },
    { together },
  )
  together.queue = it.queue
  await it.worker.mark(keys.map((key) => ({ key, priority: 'live' })))
  return Object.assign(it, { alone })
}

test('keys that are kin are converged together, what that leaves alone, and nothing is left', async () => {
  const together = new Recorder((claims) => claims.filter((_, n) => n % 10 !== 0))
  const it = await flooded(together, [...lists(200), { kind: 'tag', tagId: 12 }])
  await expect.poll(it.rows).toEqual([])
  expect(together.rounds).toHaveLength(1)
  expect(together.rounds[0]?.length).toBeGreaterThan(150)
  const ended = together.rounds[0]?.filter((_, n) => n % 10 !== 0) ?? []
  expect([...it.alone, ...ended].sort()).toEqual([...lists(200).map(formatKey), 'tag/12'].sort())
  expect(await it.metric('keys_total', { outcome: 'unchanged' })).toBe(201)
})

test('few keys, and keys without kin, are converged alone', async () => {
  const together = new Recorder((claims) => claims)
  const tags = Array.from({ length: 30 }, (_, tagId): Key => ({ kind: 'tag', tagId }))
  const it = await flooded(together, [...lists(12), ...tags])
  await expect.poll(it.rows).toEqual([])
  expect(together.rounds).toEqual([])
  expect(it.alone).toHaveLength(42)
})

test('an outage gives all of them back, counts against none, and is over with the next answer', async () => {
  const together = new Recorder((claims, round) => {
    if (round === 1) throw new OutageError('hub', 'HUB_DOWN', 'down')
    return claims
  })
  const it = await flooded(together, lists(100))
  await expect.poll(it.rows).toEqual([])
  expect(together.rounds.length).toBeGreaterThan(0)
  expect(it.lines.filter(({ msg }) => msg.startsWith('key failed'))).toEqual([])
  expect(await it.metric('keys_total', { outcome: 'failed' })).toBe(0)
})

test('an error of what is shared leaves them to be converged alone', async () => {
  const together = new Recorder(() => {
    throw new AgainError('DATABASE_RACE', 'lost')
  })
  const it = await flooded(together, lists(60))
  await expect.poll(it.rows).toEqual([])
  expect(together.rounds.length).toBeGreaterThan(0)
  expect(it.alone).toHaveLength(60)
})

test('a SafetyError ends the worker; every claim is given back', async () => {
  const together = new Recorder(() => {
    throw new SafetyError('HUB_NOT_PROD', 'another hub')
  })
  const it = await flooded(together, lists(60))
  expect(await it.ended).toMatchObject({ code: 'HUB_NOT_PROD' })
  await expect.poll(async () => (await it.rows()).filter(({ held }) => held === true)).toEqual([])
  expect((await it.rows()).length + it.alone.length).toBe(60)
})

test('at the signal what is gathered, and what was left, is given back at once', async () => {
  let begun = (): void => {}
  let release = (): void => {}
  const gathered = new Promise<void>((resolve) => {
    begun = resolve
  })
  const together = new Recorder(async () => {
    begun()
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return []
  })
  const it = await flooded(together, lists(100))
  await gathered
  const stopped = it.stop()
  release()
  expect(await stopped).toBeNull()
  const rows = await it.rows()
  expect(rows.filter(({ held }) => held === true)).toEqual([])
  expect(rows.length + it.alone.length).toBe(100)
})
