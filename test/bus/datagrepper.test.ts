import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { Datagrepper } from '../../src/bus/datagrepper.ts'
import { Receiver } from '../../src/bus/receive.ts'
import { type Replayed, ReplayingSource } from '../../src/bus/replaying-source.ts'
import type { BusMessage, BusSource, SourceEvents } from '../../src/bus/source.ts'
import { Double, type Struct } from '../../src/model/value.ts'
import { noStep } from '../../src/step.ts'
import { until } from './publisher.ts'
import { PREFIX } from './samples.ts'
import { CONFIGS, VECTORS, verifierOf } from './signed.ts'
import { counts, tagging } from './world.ts'

interface Stored {
  readonly timestamp: number
  readonly text: string
}

/** A datagrepper as it answers: windows with both ends, pages, rows in order; `fail` answers in its place. */
async function datagrepper(
  stored: readonly Stored[],
  fail: (query: URLSearchParams, response: ServerResponse) => boolean = () => false,
): Promise<{ url: string; queries: URLSearchParams[] }> {
  const queries: URLSearchParams[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const query = new URL(request.url ?? '', 'http://x').searchParams
    queries.push(query)
    if (fail(query, response)) return
    const [start, end, page, rows] = ['start', 'end', 'page', 'rows_per_page'].map((name) =>
      Number(query.get(name)),
    )
    const found = stored.filter(({ timestamp }) => timestamp >= Number(start) && timestamp <= Number(end))
    const shown = found.slice((Number(page) - 1) * Number(rows), Number(page) * Number(rows))
    const pages = Math.ceil(found.length / Number(rows))
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(
        `{"arguments": {}, "count": ${shown.length}, "pages": ${pages}, "raw_messages": [${shown.map(({ text }) => text)}]}`,
      )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/raw?meta=x`, queries }
}

const item = (n: number, timestamp: number): Stored => ({
  timestamp,
  text: JSON.stringify({
    ...tagging(n),
    timestamp,
    headers: {},
    source_name: 'datanommer',
    source_version: '1',
  }),
})
const topics = [`${PREFIX}tag`, `${PREFIX}untag`]
const { signal } = new AbortController()
const read = async (store: Datagrepper, start: number, end: number): Promise<Struct[]> => {
  const items: Struct[] = []
  for await (const one of store.items(start, end, signal)) items.push(one)
  return items
}

it('is read in windows of an hour with fixed ends, page by page, oldest first, by topic', async () => {
  const stored = Array.from({ length: 250 }, (_, n) => item(n, 1_000 + n))
  stored.push(item(250, 4_600), item(251, 6_000))
  const { url, queries } = await datagrepper(stored)
  const found = await read(new Datagrepper({ url, topics, step: noStep }), 1_000, 6_000)
  // What stands at the end of a window is in both.
  const ids = found.map(({ msg_id: id }) => id)
  expect(ids).toEqual(
    [...stored.slice(0, 251), ...stored.slice(250)].map(({ text }) => JSON.parse(text).msg_id),
  )
  expect(queries.map((query) => ['start', 'end', 'page'].map((name) => query.get(name)).join(' '))).toEqual([
    ...['1000 4600 1', '1000 4600 2', '1000 4600 3'],
    '4600 6000 1',
  ])
  expect(queries[0]?.getAll('topic')).toEqual(topics)
  expect([...(queries[0] as URLSearchParams)]).toEqual(
    expect.arrayContaining([
      ['order', 'asc'],
      ['rows_per_page', '100'],
      ['meta', 'x'],
    ]),
  )
  // A signature depends on the form of numbers.
  const floating = await datagrepper([{ timestamp: 5, text: '{"a": 1.0, "b": 1}' }])
  const [kept] = await read(new Datagrepper({ url: floating.url, topics, step: noStep }), 1, 9)
  expect(kept).toEqual({ a: new Double(1), b: 1 })
})

it('halves a window that takes too long, and says what cannot be read', async () => {
  const stored = [item(1, 100), item(2, 3_000)]
  const slow = await datagrepper(stored, (query, response) => {
    if (Number(query.get('end')) - Number(query.get('start')) < 1_000) return false
    response.writeHead(504).end('Gateway Timeout')
    return true
  })
  const found = await read(new Datagrepper({ url: slow.url, topics, step: noStep }), 0, 3_600)
  expect(found.map(({ msg_id: id }) => id)).toEqual(['2020-1', '2020-2'])
  const bodies = [
    '<html>',
    '[]',
    '{}',
    '{"raw_messages": [1], "pages": 1}',
    '{"raw_messages": [], "pages": "x"}',
    '\u00ff{',
    '{"raw_messages": [], "pages": 1e9}',
  ]
  for (const [status, body] of [
    ...bodies.map((text) => [200, text] as const),
    [404, ''] as const,
    [500, ''] as const,
  ]) {
    const bad = await datagrepper(
      [],
      (_query, response) => response.writeHead(status).end(Buffer.from(body, 'latin1')) !== null,
    )
    await expect(
      read(new Datagrepper({ url: bad.url, topics, step: noStep }), 0, 100),
      body,
    ).rejects.toMatchObject({
      code: 'BUS_DATAGREPPER',
    })
  }
  const silent = await datagrepper([], () => true)
  await expect(
    read(new Datagrepper({ url: silent.url, topics, step: noStep, timeoutMs: 30 }), 0, 60),
  ).rejects.toMatchObject({ code: 'BUS_DATAGREPPER' })
})

/** A bus that a test plays. */
class PlayedSource implements BusSource {
  events: SourceEvents | null = null
  readonly #messages: BusMessage[] = []
  #wake = (): void => {}
  #ended = false
  start(events: SourceEvents): void {
    this.events = events
  }
  send(n: number): void {
    const { msg, msg_id: id, topic } = tagging(n) as unknown as { msg: object; msg_id: string; topic: string }
    this.#messages.push({ id, topic, body: msg, receivedAtMs: 0, sentAtMs: null, wire: null })
    this.#wake()
  }
  destroy(): void {
    this.#ended = true
    this.#wake()
  }
  async *[Symbol.asyncIterator](): AsyncGenerator<BusMessage, void, undefined> {
    while (!this.#ended) {
      const message = this.#messages.shift()
      if (message !== undefined) yield message
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

it('is asked at each connection, back to what was heard last; its messages go the way of all', async () => {
  let nowMs = 1_577_836_800_000
  const seconds = (): number => nowMs / 1000
  const stored: Stored[] = [
    item(1, seconds() - 7_000),
    item(2, seconds() - 10),
    { timestamp: seconds(), text: '{"topic": 7}' },
  ]
  let up = true
  const { url, queries } = await datagrepper(stored, (_query, response) => {
    if (!up) response.writeHead(404).end()
    return !up
  })
  const store = new Datagrepper({ url, topics, step: noStep })
  const live = new PlayedSource()
  const replayed: Replayed[] = []
  const outcomes: Parameters<ConstructorParameters<typeof Receiver>[0]['onOutcome']>[0][] = []
  const receiver = new Receiver({
    source: new ReplayingSource({
      live,
      items: (start, end, until) => store.items(start, end, until),
      lookbackSeconds: 3_600,
      onReplayed: (one) => replayed.push(one),
      now: () => nowMs,
    }),
    topicPrefix: PREFIX,
    instance: 'primary',
    baseUrl: null,
    known: { package: () => null, tag: () => null },
    mark: async () => {},
    onOutcome: (outcome) => outcomes.push(outcome),
    onCatchUp: () => {},
  })
  const running = receiver.run()
  live.events?.connected('a')
  live.send(2)
  await until(() => replayed.length === 1)
  await until(() => outcomes.length === 3)
  // As far as the look goes back there is one, which the bus brought too, and one that is none.
  expect(counts(outcomes)).toEqual({ 'tag marked': 1, 'tag duplicate': 1, 'unknown refused field:topic': 1 })
  expect(replayed[0]).toEqual({ start: seconds() - 3_600, end: seconds(), messages: 1, error: null })

  // Down for ten minutes: from what was heard last, with ten minutes of overlap.
  const heard = seconds()
  live.events?.disconnected('a')
  nowMs += 600_000
  stored.push(item(3, seconds() - 300))
  outcomes.length = 0
  live.events?.connected('a')
  await until(() => replayed.length === 2)
  expect(replayed[1]).toMatchObject({ start: heard - 600, end: seconds(), messages: 2 })
  await until(() => counts(outcomes)['tag marked'] === 1)

  // It fails: told, and the bus goes on.
  up = false
  live.events?.silence(1)
  await until(() => replayed.length === 3)
  expect(replayed[2]).toMatchObject({ messages: 0, error: { code: 'BUS_DATAGREPPER' } })
  live.send(4)
  await until(() => counts(outcomes)['tag marked'] === 2)
  await receiver.destroy()
  await running
  expect(queries.length).toBeGreaterThan(2)
})

it('goes on after a restart where the process before had come to, when all that was marked; a gap that could not be read stays', async () => {
  let nowMs = 1_577_836_800_000
  let [stored, isSettled, up] = [null as number | null, false, true]
  const position = {
    read: async () => stored,
    write: async (ms: number) => {
      stored = Math.max(stored ?? 0, ms)
    },
    isSettled: () => isSettled,
  }
  const process = () => {
    const live = new PlayedSource()
    const replayed: Replayed[] = []
    const source = new ReplayingSource({
      live,
      async *items() {
        if (!up) throw new Error('down')
        yield* []
      },
      lookbackSeconds: 86_400,
      position,
      noteEveryMs: 1,
      onReplayed: (one) => replayed.push(one),
      now: () => nowMs,
    })
    source.start({ connected: () => {}, disconnected: () => {}, silence: () => {}, refused: () => {} })
    const running = (async () => {
      for await (const _ of source);
    })()
    const stop = async (): Promise<void> => {
      source.destroy()
      await running
    }
    return { live, source, replayed, stop }
  }
  const seconds = (): number => nowMs / 1000

  const first = process()
  expect(first.source.readUpToMs).toBeNull()
  first.live.events?.connected('a')
  await until(() => first.replayed.length === 1)
  expect(first.replayed[0]).toMatchObject({ start: seconds() - 86_400, error: null })
  expect(stored).toBeNull() // not all was marked
  isSettled = true
  await until(() => stored === nowMs)
  nowMs += 100_000
  await until(() => stored === nowMs)
  // From here on something may be missing, and the store cannot tell.
  const down = seconds()
  first.live.send(1)
  first.live.events?.disconnected('a')
  nowMs += 100_000
  up = false
  first.live.events?.connected('a')
  await until(() => first.replayed.length === 2)
  expect(first.source.readUpToMs).toBeLessThanOrEqual(down * 1000)
  await first.stop()
  expect(stored).toBe(down * 1000)

  nowMs += 3_600_000
  up = true
  const second = process()
  second.live.events?.connected('a')
  await until(() => second.replayed.length === 1)
  expect(second.replayed[0]).toMatchObject({ start: down - 600, end: seconds(), error: null })
  await until(() => stored === nowMs)
  await second.stop()

  // Its clock was ahead.
  nowMs -= 1_000_000
  const third = process()
  third.live.events?.connected('a')
  await until(() => third.replayed.length === 1)
  expect(third.replayed[0]).toMatchObject({ start: seconds() - 600 })
  await third.stop()
})

it("hands on what a verifier can undo datagrepper's changes of", async () => {
  const vectors = VECTORS.filter(({ path, config }) => path === 'datagrepper' && config === 'default')
  const { url } = await datagrepper(
    vectors.map(({ wire_body: text }) => ({ timestamp: 5, text })).filter(({ text }) => isObject(text)),
  )
  const live = new PlayedSource()
  const store = new Datagrepper({ url, topics, step: noStep })
  const verifier = verifierOf(CONFIGS.default ?? fail())
  const done = new Promise<Replayed>((resolve) => {
    const source = new ReplayingSource({
      live,
      items: (_start, _end, until) => store.items(1, 9, until),
      lookbackSeconds: 60,
      onReplayed: resolve,
    })
    source.start({ connected: () => {}, disconnected: () => {}, silence: () => {}, refused: () => {} })
    void (async () => {
      for await (const { stored, wire } of source) {
        expect(stored).toBe(true)
        reasons.push(await verifier.verifyDatagrepper(wire as Uint8Array))
      }
    })()
  })
  const reasons: unknown[] = []
  live.events?.connected('a')
  expect((await done).error).toBeNull()
  live.destroy()
  expect(reasons.filter((reason) => reason === null)).toHaveLength(
    vectors.filter(({ expect: wanted }) => wanted === 'valid').length,
  )
})

function isObject(text: string): boolean {
  try {
    return !Array.isArray(JSON.parse(text))
  } catch {
    return false
  }
}

function fail(): never {
  throw new Error('no configuration')
}
