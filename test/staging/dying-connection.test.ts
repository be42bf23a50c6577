import { connect, createServer, type Socket } from 'node:net'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Database } from '../../src/staging/database.ts'
import { noStep } from '../../src/step.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

/** ReadyForQuery: the last of what a server says when a connection begins. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

let test: TestDatabase
beforeAll(async () => {
  test = await testDatabase({ koji: 'none' })
})
afterAll(() => test.drop())

/** A way to the server on which the last answer of a connection's start waits until the server has ended that connection. */
async function slowWay(kill: () => Promise<unknown>): Promise<{ url: string; close(): Promise<void> }> {
  const target = new URL(test.url)
  const sockets: Socket[] = []
  const server = createServer((client) => {
    const way = connect(Number(target.port), target.hostname)
    for (const socket of [client, way]) {
      sockets.push(socket)
      socket.on('error', () => {})
    }
    client.pipe(way)
    let held: Buffer | null = null
    way.on('data', (chunk: Buffer) => {
      if (held !== null) held = Buffer.concat([held, chunk])
      else if (!chunk.subarray(-READY.length).equals(READY)) client.write(chunk)
      else {
        held = chunk
        // Of a connection that comes while the test ends.
        kill().catch(() => {})
      }
    })
    // In one packet: that it begins, and that it ends.
    way.on('end', () => (held === null ? client.end() : client.end(held)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(test.url)
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

it('that the server ends in the packet that begins it is an outage, and ends no process', async () => {
  const admin = new pg.Client({ connectionString: test.url })
  await admin.connect()
  const applicationName = 'begins-and-ends'
  const way = await slowWay(() =>
    admin.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
      applicationName,
    ]),
  )
  const unheard: unknown[] = []
  const hear = (error: unknown): void => void unheard.push(error)
  process.on('uncaughtException', hear)
  const options = { poolSize: 1, connectTimeoutMs: 10_000, step: noStep }
  try {
    const made = Database.create({ ...options, url: way.url, applicationName })
    await expect(made).rejects.toMatchObject({ code: 'DATABASE_DOWN' })
    expect(unheard).toEqual([])
  } finally {
    process.off('uncaughtException', hear)
    await way.close()
    await admin.end()
  }
})
