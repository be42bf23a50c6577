import { createServer } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections (32768 and up): what listens there may stop and come back without
 * finding that somebody's connection has taken its port meanwhile.
 */
const PORTS = { first: 10_240, count: 22_528 }

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
