import { Subscriber } from 'zeromq'
import { asError, ConfigError, OutageError, SyncError } from '../errors.ts'
import type { Step } from '../step.ts'
import { openEnvelope } from './fedmsg-envelope.ts'
import type { BusMessage, BusSource, SourceEvents } from './source.ts'
import { normalisePrefix } from './topics.ts'

export interface FedmsgOptions {
  /** `tcp://host:port`, one or more; duplicates between them are dropped later, by id. */
  readonly endpoints: readonly string[]
  /** Subscribed to as a prefix of bytes; the narrower, the less silence tells. */
  readonly topicPrefix: string
  readonly step: Step
  /** Without any message for so long, all connections are made anew. */
  readonly silenceTimeoutMs: number
  /** While it waits, it tells so at least so often (`SourceEvents.turned`); default 10,000. */
  readonly turnMs?: number
  /** Both frames of a message together; default 4 MiB. */
  readonly maxMessageBytes?: number
  /** First wait before connecting again, and the longest; default Fedora's 100 and 500. */
  readonly reconnectIntervalMs?: number
  readonly reconnectMaxIntervalMs?: number
  /** This host's clock, milliseconds since 1970. */
  readonly now?: () => number
}

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024

/**
 * ZeroMQ drops the *connection* over a frame above its own limit, and does not connect again after it. So that limit
 * only guards memory, far above ours: what lies between is received whole, refused by size and counted.
 */
const HARD_LIMIT_FACTOR = 16

/** The gateways' own: ZeroMQ's default of 1,000 loses half of a flood, 0 would bound nothing. */
const HIGH_WATER_MARK = 160_000

/** A source that waits for a message says so at least so often. */
const TURN_MS = 10_000

/** How much longer than the longest wait a lost connection gets before it is made anew by hand. */
const REVIVE_SLACK_MS = 500

/**
 * fedmsg over ZeroMQ: one SUB socket for all endpoints. PUB has no acknowledgement: what is published while a connection
 * is down never comes, hence the events.
 */
export class FedmsgSubscriber implements BusSource {
  readonly #options: FedmsgOptions
  readonly #now: () => number
  readonly #revivals = new Map<string, NodeJS.Timeout>()
  #events: SourceEvents | null = null
  #socket: Subscriber | null = null
  #silenceTimer: NodeJS.Timeout | undefined
  /** When waiting for the message that is awaited now began, on the monotonic clock; null: nobody waits. */
  #waitingSinceMs: number | null = null
  #destroyed = false
  #iterated = false

  constructor(options: FedmsgOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  start(events: SourceEvents): void {
    if (this.#socket !== null || this.#destroyed) throw new SyncError('BUS_STARTED', 'bus: started twice')
    this.#events = events
    this.#socket = this.#open()
    this.#watchSilence(this.#options.silenceTimeoutMs)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<BusMessage, void, undefined> {
    if (this.#events === null || this.#iterated) {
      throw new SyncError('BUS_NOT_READY', 'bus: iterate once, after start')
    }
    this.#iterated = true
    while (!this.#destroyed) {
      const frames = await this.#receive()
      if (frames === null) continue
      const gate = this.#options.step('bus.receive')
      if (gate !== undefined) await gate
      const opened = openEnvelope(frames, {
        maxMessageBytes: this.#options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
        receivedAtMs: this.#now(),
      })
      if ('message' in opened) yield opened.message
      else this.#events?.refused(opened.topic, opened.reason)
    }
  }

  destroy(): void {
    this.#destroyed = true
    clearTimeout(this.#silenceTimer)
    for (const timer of this.#revivals.values()) clearTimeout(timer)
    this.#revivals.clear()
    this.#socket?.close()
  }

  /** The next message's frames; null when the socket was closed under us, for another one or for good. */
  async #receive(): Promise<Buffer[] | null> {
    const socket = this.#socket
    if (socket === null) return null
    this.#waitingSinceMs = performance.now()
    this.#events?.turned?.()
    try {
      return await socket.receive()
    } catch (error) {
      if (socket.closed) return null
      throw new OutageError('bus', 'BUS_RECEIVE', `bus: ${asError(error).message}`, { cause: error })
    } finally {
      this.#waitingSinceMs = null
    }
  }

  /** A socket that connects to all endpoints. Options first: ZeroMQ takes them over at `connect` only. */
  #open(): Subscriber {
    const options = this.#options
    const socket = new Subscriber({
      linger: 0,
      ipv6: options.endpoints.some((endpoint) => endpoint.includes('[')),
      receiveHighWaterMark: HIGH_WATER_MARK,
      maxMessageSize: (options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES) * HARD_LIMIT_FACTOR,
      reconnectInterval: options.reconnectIntervalMs ?? 100,
      reconnectMaxInterval: this.#longestWaitMs(),
      tcpKeepalive: 1,
      tcpKeepaliveIdle: 60,
      tcpKeepaliveInterval: 5,
      tcpKeepaliveCount: 3,
    })
    this.#listen(socket)
    socket.subscribe(normalisePrefix(options.topicPrefix))
    for (const endpoint of options.endpoints) {
      try {
        socket.connect(endpoint)
      } catch (error) {
        socket.close()
        throw new ConfigError(
          'BUS_ENDPOINT_INVALID',
          `bus: ${JSON.stringify(endpoint)} is no endpoint of ZeroMQ; one looks like tcp://host:9940`,
          { detail: { endpoint }, cause: error },
        )
      }
    }
    return socket
  }

  /** `handshake` and not `connect`: a proxy accepts connections for a gateway that is down. */
  #listen(socket: Subscriber): void {
    const current = (): boolean => this.#socket === socket && !this.#destroyed
    socket.events.on('handshake', ({ address }) => {
      this.#calm(address)
      if (current()) this.#events?.connected(address)
    })
    const lost = (address: string): void => {
      if (!current()) return
      this.#revive(socket, address)
      this.#events?.disconnected(address)
    }
    socket.events.on('disconnect', ({ address }) => lost(address))
    socket.events.on('handshake:error:protocol', ({ address }) => lost(address))
    socket.events.on('handshake:error:auth', ({ address }) => lost(address))
    socket.events.on('handshake:error:other', ({ address }) => lost(address))
    socket.events.on('connect:retry', ({ address }) => this.#calm(address))
  }

  /**
   * ZeroMQ connects again by itself when a connection breaks, but gives an endpoint up for good after a violation of its
   * protocol (a frame above the limit, a peer that speaks something else). Without a sign of life soon, we ask.
   */
  #revive(socket: Subscriber, endpoint: string): void {
    this.#calm(endpoint)
    const timer = setTimeout(() => {
      this.#revivals.delete(endpoint)
      if (this.#socket !== socket || this.#destroyed) return
      try {
        socket.disconnect(endpoint)
      } catch {
        // ZeroMQ has forgotten the endpoint already.
      }
      try {
        socket.connect(endpoint)
      } catch {
        this.#revive(socket, endpoint)
      }
    }, this.#longestWaitMs() + REVIVE_SLACK_MS)
    this.#revivals.set(endpoint, timer)
  }

  #calm(endpoint: string): void {
    clearTimeout(this.#revivals.get(endpoint))
    this.#revivals.delete(endpoint)
  }

  #longestWaitMs(): number {
    return Math.max(this.#options.reconnectIntervalMs ?? 100, this.#options.reconnectMaxIntervalMs ?? 500)
  }

  /** Time in which nobody asked for a message is not silence: a slow consumer must not lose what waits in the socket. */
  #watchSilence(delayMs: number): void {
    const nextMs = Math.min(delayMs, this.#options.turnMs ?? TURN_MS)
    this.#silenceTimer = setTimeout(() => {
      const { silenceTimeoutMs } = this.#options
      const isWaiting = this.#waitingSinceMs !== null
      const silentMs = this.#waitingSinceMs === null ? 0 : performance.now() - this.#waitingSinceMs
      if (silentMs >= silenceTimeoutMs) this.#reopen(silentMs)
      if (isWaiting) this.#events?.turned?.()
      this.#watchSilence(silentMs < silenceTimeoutMs ? silenceTimeoutMs - silentMs : silenceTimeoutMs)
    }, nextMs)
  }

  #reopen(silentMs: number): void {
    const old = this.#socket
    try {
      this.#socket = this.#open()
      for (const timer of this.#revivals.values()) clearTimeout(timer)
      this.#revivals.clear()
      old?.close()
    } catch {
      // No descriptor is free: the old socket may yet speak, and the next silence tries again.
    }
    this.#events?.silence(Math.round(silentMs))
  }
}
