import { Publisher as Pub } from 'zeromq'

/** A fedmsg gateway as far as a subscriber can tell: a PUB socket, two frames. */
export class Publisher {
  #socket: Pub
  readonly endpoint: string
  private constructor(socket: Pub, endpoint: string) {
    this.#socket = socket
    this.endpoint = endpoint
  }

  /** `noDrop`: what a slow subscriber has no room for is not dropped; sending waits. */
  static async create(
    endpoint = 'tcp://127.0.0.1:*',
    { highWaterMark = 160_000, noDrop = false } = {},
  ): Promise<Publisher> {
    const socket = await bound(endpoint, { highWaterMark, noDrop })
    return new Publisher(socket, socket.lastEndpoint ?? '')
  }

  async send(...frames: (string | Uint8Array)[]): Promise<void> {
    for (;;) {
      try {
        return await this.#socket.send(frames as Buffer[])
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }

  publish(envelope: { topic: string }): Promise<void> {
    return this.send(envelope.topic, JSON.stringify(envelope))
  }

  /** Ends all connections and listens again at the same port. */
  async restart(): Promise<void> {
    this.#socket.close()
    this.#socket = await bound(this.endpoint)
  }

  close(): void {
    this.#socket.close()
  }
}

async function bound(endpoint: string, { highWaterMark = 160_000, noDrop = false } = {}): Promise<Pub> {
  for (let attempt = 0; ; attempt++) {
    const socket = new Pub({ linger: 0, sendHighWaterMark: highWaterMark, noDrop })
    try {
      await socket.bind(endpoint)
      return socket
    } catch (error) {
      socket.close()
      if (attempt === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** Waits until `holds` does; a test that waits in vain fails by its own timeout. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}
