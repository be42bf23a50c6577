/**
 * A message as a source hands it on: the sender's envelope is open, the body is not looked at yet. Untrusted.
 *
 * fedmsg fills it from the JSON envelope of the second frame, AMQP will from the message's properties.
 */
export interface BusMessage {
  /** The sender's id for it (`msg_id`, AMQP `message_id`): duplicates are known by it. null: it has none. */
  readonly id: string | null
  /** The topic that it was routed by, whole: `org.fedoraproject.prod.buildsys.tag`. */
  readonly topic: string
  /** The sender's content, as `JSON.parse` gives it. A decoder checks every member of it. */
  readonly body: unknown
  /** This host's clock when it arrived, milliseconds since 1970: for metrics only, decides nothing. */
  readonly receivedAtMs: number
  /** The sender's clock, milliseconds since 1970; null where the sender gave none. */
  readonly sentAtMs: number | null
  /** The bytes that hold envelope and signature, for a verifier; null where the connection vouches for the sender. */
  readonly wire: Uint8Array | null
  /** It comes from datagrepper, which changed it: a verifier has to undo that first. */
  readonly stored?: true
}

/**
 * What a source tells beside messages. After `connected` and `silence` messages may be missing and nothing on the
 * bus says which: each is a hint to run catch-up. Callbacks must not throw.
 */
export interface SourceEvents {
  /** A connection (the first one too) is ready for messages. */
  connected(endpoint: string): void
  /** A connection is gone; the source connects again by itself. */
  disconnected(endpoint: string): void
  /** Nothing at all arrived for `silentMs`; the source has thrown its connections away and made new ones. */
  silence(silentMs: number): void
  /** Something arrived that is no message. `topic` is the wire topic, null where there is none to be had. */
  refused(topic: string | null, reason: string): void
  /** It asks for the next message, or has been waiting for one for some seconds more. Not told while nobody takes messages. */
  turned?(): void
}

/**
 * A source of messages: fedmsg over ZeroMQ now, fedora-messaging over AMQP later.
 *
 * Life: `start` once, iterate once, `destroy`. The iteration ends after `destroy` and only then; it never throws
 * for what a sender sent.
 */
export interface BusSource extends AsyncIterable<BusMessage> {
  /** Begins to connect; does not wait for it. Throws ConfigError for an address that cannot be one. */
  start(events: SourceEvents): void
  /** Ends the connections, the timers and the iteration. Twice does no harm. */
  destroy(): void
}
