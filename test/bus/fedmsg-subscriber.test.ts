import { spawnSync } from 'node:child_process'
import { createServer, type Socket as TcpSocket } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type FedmsgOptions, FedmsgSubscriber } from '../../src/bus/fedmsg-subscriber.ts'
import type { BusMessage } from '../../src/bus/source.ts'
import { ConfigError } from '../../src/errors.ts'
import { noStep } from '../../src/step.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { Publisher, until } from './publisher.ts'
import { PREFIX } from './samples.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function publisher(): Promise<Publisher> {
  const made = await Publisher.create()
  closers.push(() => made.close())
  return made
}

interface Heard {
  readonly subscriber: FedmsgSubscriber
  readonly messages: BusMessage[]
  /** `connected ENDPOINT`, `disconnected ENDPOINT`, `silence`, `refused TOPIC REASON`. */
  readonly events: string[]
  readonly ended: Promise<void>
}

function hear(endpoints: readonly string[], options: Partial<FedmsgOptions> = {}): Heard {
  const subscriber = new FedmsgSubscriber({
    endpoints,
    topicPrefix: PREFIX,
    step: noStep,
    silenceTimeoutMs: 60_000,
    reconnectIntervalMs: 20,
    reconnectMaxIntervalMs: 50,
    ...options,
  })
  closers.push(() => subscriber.destroy())
  const messages: BusMessage[] = []
  const events: string[] = []
  subscriber.start({
    connected: (endpoint) => events.push(`connected ${endpoint}`),
    disconnected: (endpoint) => events.push(`disconnected ${endpoint}`),
    silence: () => events.push('silence'),
    refused: (topic, reason) => events.push(`refused ${topic} ${reason}`),
  })
  const collect = async (): Promise<void> => {
    for await (const message of subscriber) messages.push(message)
  }
  return { subscriber, messages, events, ended: collect() }
}

function envelope(id: string | number, name = 'tag'): { topic: string } {
  return Object.assign({ topic: PREFIX + name }, { msg: { id }, msg_id: String(id), timestamp: 1 })
}

/** A PUB drops what comes before the subscription does: publish until it is heard. */
async function joined(from: Publisher, heard: Heard): Promise<void> {
  const before = heard.messages.length
  while (heard.messages.length === before) {
    await from.publish(envelope('hello'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  // A connection that was made anew just then (by silence) may lose it too.
  for (let at = 0; heard.messages.at(-1)?.id !== 'joined'; at += 1) {
    if (at % 100 === 0) await from.publish(envelope('joined'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  heard.messages.length = 0
}

describe('a subscriber', () => {
  it('hears all of several publishers that begin with its prefix, and nothing else', async () => {
    const [one, two] = [await publisher(), await publisher()]
    const heard = hear([one.endpoint, two.endpoint])
    await joined(one, heard)
    await joined(two, heard)
    heard.messages.length = 0
    await one.publish({ ...envelope(0), topic: 'org.fedoraproject.stg.buildsys.tag' })
    await one.publish(envelope(1))
    await two.publish(envelope(2, 'tagged'))
    await until(() => heard.messages.length >= 2)
    expect(heard.messages.map(({ id }) => id).sort()).toEqual(['1', '2'])
    expect(heard.events.toSorted()).toEqual([`connected ${one.endpoint}`, `connected ${two.endpoint}`].sort())
  })

  it('names what is no message and goes on', async () => {
    const from = await publisher()
    const heard = hear([from.endpoint])
    await joined(from, heard)
    const topic = `${PREFIX}tag`
    await from.send(topic)
    await from.send(topic, '{}', '{}')
    await from.send(topic, 'no json')
    await from.send(topic, Buffer.alloc(5 * 1024 * 1024, 0x20))
    await from.send(Buffer.concat([Buffer.from(topic), Buffer.from([0xff])]), '{}')
    await from.send(topic, Buffer.from([0xc0, 0x80]))
    await from.publish(envelope('after'))
    await until(() => heard.messages.length === 1)
    expect(heard.events.slice(1)).toEqual([
      'refused null frames',
      'refused null frames',
      `refused ${topic} json`,
      `refused ${topic} size`,
      'refused null topic-utf8',
      `refused ${topic} body-utf8`,
    ])
  })

  it('comes back after a frame for which ZeroMQ itself drops the connection', async () => {
    const from = await publisher()
    const heard = hear([from.endpoint], { maxMessageBytes: 1000 })
    await joined(from, heard)
    await from.send(`${PREFIX}tag`, Buffer.alloc(17_000))
    await until(() => heard.events.length >= 3)
    await joined(from, heard)
    const { endpoint } = from
    expect(heard.events).toEqual([
      `connected ${endpoint}`,
      `disconnected ${endpoint}`,
      `connected ${endpoint}`,
    ])
  })

  it('tells of a lost connection and of the next one when the publisher is restarted', async () => {
    const from = await publisher()
    const heard = hear([from.endpoint])
    await joined(from, heard)
    await from.restart()
    await joined(from, heard)
    const { endpoint } = from
    expect(heard.events).toEqual([
      `connected ${endpoint}`,
      `disconnected ${endpoint}`,
      `connected ${endpoint}`,
    ])
  })

  it('keeps asking a peer that does not speak ZeroMQ until one does', async () => {
    const sockets = new Set<TcpSocket>()
    let asked = 0
    const server = createServer((socket) => {
      asked += 1
      sockets.add(socket)
      socket.on('error', () => {})
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'.padEnd(200))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address() as { port: number }
    const heard = hear([`tcp://127.0.0.1:${address.port}`])
    await until(() => asked >= 3)
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
    const from = await Publisher.create(`tcp://127.0.0.1:${address.port}`)
    closers.push(() => from.close())
    await joined(from, heard)
    expect(heard.events.filter((event) => event.startsWith('connected'))).toHaveLength(1)
  })

  it('makes its connections anew after silence, and hears again', async () => {
    const from = await publisher()
    const heard = hear([from.endpoint], { silenceTimeoutMs: 300 })
    await joined(from, heard)
    await until(() => heard.events.filter((event) => event.startsWith('connected')).length >= 2)
    await joined(from, heard)
    const connected = `connected ${from.endpoint}`
    const since = heard.events.slice(heard.events.indexOf(connected))
    // On a slow machine it may have been silent for longer.
    expect(since.filter((event, n) => event !== since[n - 1]).slice(0, 3)).toEqual([
      connected,
      'silence',
      connected,
    ])
  })

  it('does not take a slow consumer for silence, and keeps a flood that waits for it', async () => {
    // It holds 1,000 messages itself, so what is sent while nobody consumes has room in the subscriber or nowhere.
    const from = await Publisher.create(undefined, { highWaterMark: 1000, noDrop: true })
    closers.push(() => from.close())
    let open = (): void => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    let stalled = false
    const silenceTimeoutMs = 2_000
    const heard = hear([from.endpoint], { silenceTimeoutMs, step: () => (stalled ? gate : undefined) })
    await joined(from, heard)
    heard.events.length = 0
    stalled = true
    const longEnough = new Promise((resolve) => setTimeout(resolve, 1.5 * silenceTimeoutMs))
    const padding = 'x'.repeat(1000)
    for (let n = 0; n < 20_000; n++) {
      await from.publish(Object.assign(envelope(n), { padding }))
    }
    await longEnough
    stalled = false
    open()
    await until(() => heard.messages.at(-1)?.id === '19999')
    expect(heard.messages).toHaveLength(20_000)
    expect(heard.events).toEqual([])
  })

  it('ends the iteration when it is destroyed while it waits', async () => {
    const from = await publisher()
    const heard = hear([from.endpoint], { silenceTimeoutMs: 50 })
    await joined(from, heard)
    heard.subscriber.destroy()
    heard.subscriber.destroy()
    await heard.ended
    const events = heard.events.length
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(heard.events).toHaveLength(events)
  })

  it('ends the iteration when nothing was ever there', async () => {
    const heard = hear(['tcp://127.0.0.1:1'])
    heard.subscriber.destroy()
    await heard.ended
    expect(heard.messages).toEqual([])
  })

  it.each(['tcp://nonsense', 'localhost:9940', '', 'http://127.0.0.1:1'])(
    'refuses the endpoint %j by name',
    (endpoint) => {
      const start = (): Heard => hear([endpoint])
      expect(start).toThrow(ConfigError)
      expect(start).toThrow(JSON.stringify(endpoint))
    },
  )

  it('leaves nothing behind that keeps a process alive', () => {
    const source = join(import.meta.dirname, '..', '..', 'src', 'bus', 'fedmsg-subscriber.ts')
    const script = `
      import { FedmsgSubscriber } from ${JSON.stringify(source)}
      const options = { endpoints: ['tcp://127.0.0.1:1'], topicPrefix: 'x', step: () => undefined, silenceTimeoutMs: 50 }
      const subscriber = new FedmsgSubscriber(options)
      const events = { connected() {}, disconnected() {}, silence() {}, refused() {} }
      subscriber.start(events)
      setTimeout(() => subscriber.destroy(), 200)
      for await (const message of subscriber) throw new Error(message)
      console.log('ended')`
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
    const child = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: PATIENCE_MS })
    expect([child.signal, child.status, child.stdout, child.stderr]).toEqual([null, 0, 'ended\n', ''])
  })

  it('is iterated once, after start', async () => {
    const subscriber = new FedmsgSubscriber({
      endpoints: [],
      topicPrefix: PREFIX,
      step: noStep,
      silenceTimeoutMs: 1000,
    })
    await expect(subscriber[Symbol.asyncIterator]().next()).rejects.toThrow('after start')
    subscriber.destroy()
  })

  it('passes the step seam with every message', async () => {
    const from = await publisher()
    const steps: string[] = []
    const step = async (name: string): Promise<void> => {
      steps.push(name)
    }
    const heard = hear([from.endpoint], { step })
    await joined(from, heard)
    steps.length = 0
    await from.send('frames')
    await from.send(`${PREFIX}tag`)
    await from.publish(envelope(1))
    await until(() => heard.messages.length === 1)
    expect(steps).toEqual(['bus.receive', 'bus.receive'])
  })
})
