import { connect, createServer, type Socket } from 'node:net'

/** ReadyForQuery, outside of a transaction: the statement before it is committed. */
const COMMITTED = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

/**
 * A way to a PostgreSQL server that can lose the answer to one statement: the server has run and committed it, its answer
 * never arrives, and the connection is cut.
 */
export interface AnswerThief {
  /** the server's address by this way */
  readonly url: string
  /** Loses the next answer that contains `answer`, to a message that contains `statement`. Resolves when it is lost. */
  steal(statement: string, answer: string): Promise<void>
  close(): Promise<void>
}

interface Theft {
  readonly statement: string
  readonly answer: string
  readonly done: () => void
}

export async function answerThief(databaseUrl: string): Promise<AnswerThief> {
  const target = new URL(databaseUrl)
  const sockets = new Set<Socket>()
  let next: Theft | null = null
  const server = createServer((client) => {
    const way = connect({ host: target.hostname, port: Number(target.port) })
    /** the answer so far to a message that may be the one */
    let held: Buffer[] | null = null
    for (const [one, other] of [
      [client, way],
      [way, client],
    ] as const) {
      sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => other.destroy())
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (chunk) => {
      if (next !== null && chunk.includes(next.statement)) held = []
      way.write(chunk)
    })
    way.on('data', (chunk) => {
      if (held === null) {
        client.write(chunk)
        return
      }
      held.push(chunk)
      const answer = Buffer.concat(held)
      if (!answer.subarray(-COMMITTED.length).equals(COMMITTED)) return
      held = null
      if (next === null || !answer.includes(next.answer)) {
        client.write(answer)
        return
      }
      next.done()
      next = null
      client.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    steal: (statement, answer) =>
      new Promise((done) => {
        next = { statement, answer, done }
      }),
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
