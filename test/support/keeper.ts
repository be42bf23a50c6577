import { createServer, type IncomingMessage } from 'node:http'
import { type Cluster, type DatabaseContent, startCluster } from './cluster.ts'

type Wish = { do: 'create'; koji: DatabaseContent } | { do: 'drop'; name: string }

const variable = 'KOJI_TEST_KEEPER'

/** Where the run's keeper listens; undefined outside a vitest run. */
export function keeperAddress(): string | undefined {
  return process.env[variable]
}

/** Asks the keeper for something; throws with its message. */
export async function askKeeper<T>(address: string, wish: Wish): Promise<T> {
  const response = await fetch(address, { method: 'POST', body: JSON.stringify(wish) })
  const text = await response.text()
  if (!response.ok) throw new Error(`test database: ${text}`)
  return JSON.parse(text) as T
}

/**
 * Vitest's global setup: one cluster for the run, kept by the main process, because test files run in processes that come and go.
 * It starts with the first wish, so that a run without databases pays nothing; a run within another's uses that one's. Returns the
 * teardown.
 */
export default async function setup(): Promise<() => Promise<void>> {
  if (keeperAddress() !== undefined) return async () => {}
  let cluster: Promise<Cluster> | undefined
  const fulfil = async (wish: Wish): Promise<unknown> => {
    cluster ??= startCluster()
    const running = await cluster
    if (wish.do === 'drop') {
      await running.dropDatabase(wish.name)
      return null
    }
    const name = await running.createDatabase(wish.koji)
    return { name, url: running.url(name) }
  }
  const server = createServer((request, response) => {
    readBody(request)
      .then((body) => fulfil(JSON.parse(body) as Wish))
      .then((answer) => response.end(JSON.stringify(answer)))
      .catch((error: unknown) => response.writeHead(500).end(String(error)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.env[variable] = `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  return async () => {
    server.closeAllConnections()
    server.close()
    await (await cluster)?.remove()
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  return body
}
