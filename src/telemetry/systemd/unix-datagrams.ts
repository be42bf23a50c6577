import { endianness } from 'node:os'
import { SyncError } from '../../errors.ts'

/** Linux' numbers, the same on every platform that it runs on (bar mips and sparc, for which nothing here is built). */
const AF_UNIX = 1
const SOCK_DGRAM_CLOEXEC = 0o2 | 0o2000000
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000
/** Of `sun_path` in sockaddr_un. */
const MAX_PATH_BYTES = 108

/** Sends datagrams to one unix socket; never waits. */
export interface DatagramSender {
  /** False: whoever reads is behind, try again later. Throws SyncError NOTIFY_FAILED. */
  send(text: string): boolean
  close(): void
}

/**
 * A sender to this address: an absolute path, or `@name` for an abstract one. Node has no datagram sockets of the unix family, so
 * the calls go to libc itself. Throws SyncError NOTIFY_FAILED when the address is another kind, or this platform is not Linux.
 */
export async function openDatagrams(address: string): Promise<DatagramSender> {
  const to = socketAddress(address)
  const { libc, errno, codes } = await loadLibc()
  const fail = (what: string): SyncError => {
    const number = errno()
    const name = Object.entries(codes).find(([, value]) => value === number)?.[0]
    return new SyncError('NOTIFY_FAILED', `${what} ${address}: ${name ?? `error ${number}`}`)
  }
  const socket = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0)
  if (socket < 0) throw fail('no socket for')
  return {
    send: (text) => {
      const bytes = Buffer.from(text)
      if (libc.sendto(socket, bytes, bytes.length, MSG_DONTWAIT_NOSIGNAL, to, to.length) >= 0) return true
      if ([codes.EAGAIN, codes.ENOBUFS, codes.EINTR].includes(errno())) return false
      throw fail('cannot send to')
    },
    close: () => {
      libc.close(socket)
    },
  }
}

/** The bytes of a sockaddr_un: an abstract name is as long as it is, without a zero at its end (unix(7)). */
export function socketAddress(address: string): Buffer {
  const abstract = address.startsWith('@')
  const path = Buffer.from(abstract ? `\0${address.slice(1)}` : `${address}\0`)
  const known = abstract ? path.length > 1 : address.startsWith('/')
  if (!known || path.length > MAX_PATH_BYTES || address.includes('\0')) {
    throw new SyncError('NOTIFY_FAILED', `${address} is no address of a unix socket`)
  }
  const family = Buffer.alloc(2)
  if (endianness() === 'LE') family.writeUInt16LE(AF_UNIX)
  else family.writeUInt16BE(AF_UNIX)
  return Buffer.concat([family, path])
}

interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly sendto: (
    fd: number,
    bytes: Buffer,
    length: number,
    flags: number,
    to: Buffer,
    toLength: number,
  ) => number
  readonly close: (fd: number) => number
}

/** Loaded late: who was not started by a service manager needs no native part. */
async function loadLibc(): Promise<{ libc: Libc; errno: () => number; codes: Record<string, number> }> {
  if (process.platform !== 'linux') {
    throw new SyncError('NOTIFY_FAILED', `${process.platform} has no service manager that is known here`)
  }
  try {
    const { default: koffi } = await import('koffi')
    // null: this process, which node has linked to its libc, whichever that is.
    const self = koffi.load(null)
    const libc: Libc = {
      socket: self.func('int socket(int family, int type, int protocol)'),
      sendto: self.func(
        'intptr_t sendto(int fd, const void *bytes, size_t length, int flags, const void *to, uint32_t toLength)',
      ),
      close: self.func('int close(int fd)'),
    }
    return { libc, errno: () => koffi.errno(), codes: koffi.os.errno }
  } catch (error) {
    throw new SyncError('NOTIFY_FAILED', 'the library that speaks to unix sockets cannot be loaded', {
      cause: error,
    })
  }
}
