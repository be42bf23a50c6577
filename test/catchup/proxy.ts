import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An HTTP proxy before a hub that changes requests on their way. */
export async function startProxy(
  target: string,
  change: (request: string) => string,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = change(Buffer.concat(chunks).toString())
    const answer = await fetch(target, { method: 'POST', headers: { 'content-type': 'text/xml' }, body })
    response.writeHead(answer.status, { 'content-type': 'text/xml' }).end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/kojihub`,
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
