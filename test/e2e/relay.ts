import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePort } from '../support/free-port.ts'

/** A way to a server that can be cut and led elsewhere, on a port that stays. */
export class Relay {
  readonly port: number
  #target: URL
  #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, port: number, target: URL) {
    this.#server = server
    this.port = port
    this.#target = target
    this.#serve(server)
  }

  static async to(url: string): Promise<Relay> {
    const server = createServer()
    const port = await freePort()
    await listen(server, port)
    return new Relay(server, port, new URL(url))
  }

  /** The target's address by this way. */
  get url(): string {
    const url = new URL(this.#target)
    url.port = String(this.port)
    return url.href
  }

  /** From now on it leads there; what is under way is cut. */
  lead(url: string): void {
    this.#target = new URL(url)
    this.#cut()
  }

  /** Connections are refused. */
  async down(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#cut()
    await closed
  }

  async up(): Promise<void> {
    this.#server = createServer()
    this.#serve(this.#server)
    await listen(this.#server, this.port)
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.down()
  }

  #serve(server: Server): void {
    server.on('connection', (from) => {
      const to = connect({ host: this.#target.hostname, port: Number(this.#target.port) })
      for (const [one, other] of [
        [from, to],
        [to, from],
      ] as const) {
        this.#sockets.add(one)
        one.setNoDelay(true)
        one.on('error', () => other.destroy())
        one.on('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}
