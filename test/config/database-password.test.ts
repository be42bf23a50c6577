import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { Database } from '../../src/staging/database.ts'
import { noStep } from '../../src/step.ts'
import { ConfigFolder, file } from './files.ts'

const folder = new ConfigFolder()
afterAll(() => folder.remove())

const ASK_CLEARTEXT = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])

/** Listens as PostgreSQL does, asks for the password in clear text, and hangs up. */
async function askForPassword(): Promise<{ port: number; password: Promise<string>; close: () => void }> {
  const sockets: Socket[] = []
  let tell = (_password: string): void => {}
  const password = new Promise<string>((resolve) => {
    tell = resolve
  })
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(ASK_CLEARTEXT)
      // Byte 'p', four bytes of length, the password, a zero byte.
      socket.once('data', (answer) => {
        tell(answer.subarray(5, -1).toString())
        socket.destroy()
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, password, close: () => server.close() }
}

describe('the password of the configuration', () => {
  it.each([
    ['from a file', (url: string) => url, 'p@ss w%rd/?&=é'],
    ['from the address', (url: string) => url.replace('koji@', 'koji:a%40b@'), 'a@b'],
    ['from the address with parameters', (url: string) => `${url}?password=x%26y`, 'x&y'],
  ])('%s is what PostgreSQL is told', async (from, edit, expected) => {
    const server = await askForPassword()
    const secret = folder.write(`${expected}\n`, 'password')
    const line = from === 'from a file' ? `database_password_file = "${secret}"` : ''
    const address = edit(`postgresql://koji@127.0.0.1:${server.port}/koji`)
    const text = file({ staging: line }).replace('postgresql://koji@db.example.org/koji', address)
    const { database, databasePassword } = folder.load(text).staging
    const connecting = Database.create({
      url: database,
      ...(databasePassword === null ? {} : { password: databasePassword.reveal() }),
      applicationName: 'test',
      poolSize: 1,
      connectTimeoutMs: 5000,
      step: noStep,
    })
    await expect(connecting).rejects.toMatchObject({ part: 'database' })
    expect(await server.password).toBe(expected)
    server.close()
  })
})
