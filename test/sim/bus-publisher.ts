import { randomUUID } from 'node:crypto'
import { Publisher } from 'zeromq'
import type { Signer } from './pki.ts'
import type { Announcement } from './world/transaction.ts'

/** How the publisher speaks. */
export interface BusOptions {
  /** Before the last part of the topic. Default Fedora's, `org.fedoraproject.prod.buildsys.` */
  topicPrefix?: string
  /** Koji's instance in each body. Default `primary`. */
  instance?: string
  /** Signs each message, as a hub does; default: messages are not signed. */
  signer?: Signer
  /** Port to bind; default a free one. */
  port?: number
}

/** A fedmsg relay on ZeroMQ: two frames, topic and JSON as Python's json.dumps writes it. */
export interface BusPublisher {
  /** Address for subscribers. */
  readonly endpoint: string
  /** Sends what a hub announces; returns the message id. Fits `openWorld({ announce: bus.publish })`. */
  publish(announcement: Announcement): Promise<string>
  /** Sends frames as given: for bad input, doubled or old messages. */
  sendRaw(frames: (string | Buffer)[]): Promise<void>
  /** The frames of a message, not sent. */
  frames(announcement: Announcement, envelope?: Record<string, unknown>): [topic: string, body: string]
  /** Resolves when a subscriber is there: what is sent before is lost, as on the real bus. */
  subscriber(): Promise<void>
  close(): void
}

/** Starts a publisher on 127.0.0.1. */
export async function startBus(options: BusOptions = {}): Promise<BusPublisher> {
  const socket = new Publisher({ sendHighWaterMark: 0, linger: 0 })
  let connected = 0
  const waiting: (() => void)[] = []
  socket.events.on('handshake', () => {
    connected++
    for (const resolve of waiting.splice(0)) resolve()
  })
  await socket.bind(`tcp://127.0.0.1:${options.port ?? '*'}`)
  const prefix = options.topicPrefix ?? 'org.fedoraproject.prod.buildsys.'
  let count = 0
  const frames: BusPublisher['frames'] = ({ topic, body }, envelope = {}) => {
    const message = {
      i: ++count,
      msg: { ...body, instance: options.instance ?? 'primary' },
      msg_id: `${new Date().getUTCFullYear()}-${randomUUID()}`,
      timestamp: Math.floor(Date.now() / 1000),
      topic: `${prefix}${topic}`,
      username: 'apache',
      ...envelope,
    }
    const signed = options.signer === undefined ? message : signMessage(message, options.signer)
    return [message.topic, pythonDumps(signed)]
  }
  return {
    endpoint: socket.lastEndpoint as string,
    frames,
    async publish(announcement) {
      const pair = frames(announcement)
      await socket.send(pair)
      return (JSON.parse(pair[1]) as { msg_id: string }).msg_id
    },
    sendRaw: (raw) => socket.send(raw),
    async subscriber() {
      if (connected === 0) await new Promise<void>((resolve) => waiting.push(resolve))
      // The handshake comes before the subscription itself.
      await new Promise((resolve) => setTimeout(resolve, 50))
    },
    close: () => socket.close(),
  }
}

/** As fedmsg signs: the signature is over the members in order, without blanks; the relay then writes them in its own way. */
export function signMessage(message: Record<string, unknown>, signer: Signer): Record<string, unknown> {
  const signed = { ...message, crypto: 'x509' }
  return { ...signed, ...signer.sign(pythonDumps(signed, { sorted: true })) }
}

/** json.dumps with its defaults, as fedmsg-relay sends: blanks after separators, ASCII only. Sorted: as it is signed, without them. */
function pythonDumps(value: unknown, style: { sorted?: boolean } = {}): string {
  const [comma, colon] = style.sorted === true ? [',', ':'] : [', ', ': ']
  const dump = (item: unknown): string => pythonDumps(item ?? null, style)
  if (Array.isArray(value)) return `[${value.map(dump).join(comma)}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    if (style.sorted === true) entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, item]) => `${dump(key)}${colon}${dump(item)}`).join(comma)}}`
  }
  const text = JSON.stringify(value)
  return text.replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
