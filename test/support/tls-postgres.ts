import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'

const FOLDER = join(import.meta.dirname, '..', 'fixtures', 'tls')

/** The certificate of `localhost`, which is its own CA. */
export const TLS_CA_FILE = join(FOLDER, 'localhost-cert.pem')

/** TLS before a PostgreSQL server: answers the client's wish for it (protocol-flow, "SSL Session Encryption"), passes the rest on. */
export async function startTlsBefore(port: number): Promise<{ port: number; tls(): number; close(): void }> {
  const cert = readFileSync(TLS_CA_FILE)
  const key = readFileSync(join(FOLDER, 'localhost-key.pem'))
  const sockets = new Set<Socket>()
  let encrypted = 0
  const server = createServer((client) => {
    sockets.add(client)
    client.on('error', () => {}).on('close', () => sockets.delete(client))
    client.once('data', (wish) => {
      // Eight bytes: a length, and the code of SSLRequest. Whoever speaks plainly is sent away.
      if (wish.length !== 8 || wish.readInt32BE(4) !== 80_877_103) return client.destroy()
      const secure = new TLSSocket(client, { isServer: true, cert, key })
      client.write('S')
      const upstream = connect(port, '127.0.0.1')
      const end = (): void => {
        secure.destroy()
        upstream.destroy()
      }
      secure.on('secure', () => {
        encrypted += 1
      })
      secure.on('error', end).on('close', end).pipe(upstream)
      upstream.on('error', end).on('close', end).pipe(secure)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    tls: () => encrypted,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
