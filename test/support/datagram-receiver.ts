import { setTimeout as sleep } from 'node:timers/promises'
import koffi from 'koffi'
import { PATIENCE_MS } from './patience.ts'

const libc = koffi.load(null)
const socket = libc.func('int socket(int family, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const recv = libc.func('intptr_t recv(int fd, void *bytes, size_t length, int flags)')
const close = libc.func('int close(int fd)')

const [AF_UNIX, SOCK_DGRAM, MSG_DONTWAIT] = [1, 2, 0x40]

/** A unix datagram socket that collects what comes, as a service manager's does. */
export class DatagramReceiver {
  readonly texts: string[] = []
  readonly #fd: number

  /** `/path`, or `@name` for an abstract one. */
  constructor(address: string) {
    this.#fd = socket(AF_UNIX, SOCK_DGRAM, 0)
    // Built by hand, so that a mistake of the sender's is none here.
    const path = address.startsWith('@') ? `\0${address.slice(1)}` : address
    const bytes = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path)])
    if (this.#fd < 0 || bind(this.#fd, bytes, bytes.length) !== 0)
      throw new Error(`cannot bind ${address}: ${koffi.errno()}`)
  }

  /** What has come since, too. */
  read(): string[] {
    const buffer = Buffer.alloc(65_536)
    for (;;) {
      const length = Number(recv(this.#fd, buffer, buffer.length, MSG_DONTWAIT))
      if (length < 0) return this.texts
      this.texts.push(buffer.toString('utf8', 0, length))
    }
  }

  /** The first text from `from` on that matches; fails when none comes. */
  async until(what: RegExp, from = 0): Promise<string> {
    const endMs = performance.now() + PATIENCE_MS
    for (;;) {
      const found = this.read()
        .slice(from)
        .find((text) => what.test(text))
      if (found !== undefined) return found
      if (performance.now() > endMs) throw new Error(`no ${what} among ${JSON.stringify(this.texts)}`)
      await sleep(5)
    }
  }

  close(): void {
    close(this.#fd)
  }
}
