import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { startTlsBefore, TLS_CA_FILE } from '../support/tls-postgres.ts'
import { command } from './command.ts'

const secret = `planted-${randomBytes(6).toString('hex')}@/?%`
const role = `planted_${randomBytes(4).toString('hex')}`
let world: E2eWorld
let server: Awaited<ReturnType<typeof startTlsBefore>>
let address: URL
beforeAll(async () => {
  world = await e2eWorld()
  address = new URL(world.asOwner[1].replace('staging.database=', ''))
  server = await startTlsBefore(Number(address.port))
  await world.sql(
    `create role ${role} login password '${secret}' in role "koji-staging-sync", pg_read_all_stats`,
  )
  await writeFile(join(world.root, 'password'), `${secret}\n`)
  await writeFile(join(world.root, 'wrong'), `${secret}-wrong\n`)
})
afterAll(async () => {
  await world.sql(`drop owned by ${role}; drop role ${role}`)
  await world.close()
  server.close()
})

const settings = ({ host = 'localhost', ca = TLS_CA_FILE, password = 'password' } = {}): string[] => [
  `staging.database=postgresql://${role}@${host}:${server.port}${address.pathname}`,
  `staging.database_password_file=${join(world.root, password)}`,
  `staging.ca_file=${ca}`,
]
const here = (verb: string, set: readonly string[], ...argv: string[]) =>
  command(verb, '--config', world.file, '--debug', ...set.flatMap((one) => ['--set', one]), ...argv)

it('the database is reached by TLS, and its password shows in nothing that we print, log or serve', async () => {
  const shown: string[] = []
  const encrypted = server.tls()
  for (const argv of [
    ['doctor', '--listen', '0'],
    ['status'],
    ['status', '--json'],
    ['sync', 'tag/first'],
    ['init', '--print-grants'],
  ]) {
    const [verb = '', ...rest] = argv
    const { code, stdout, stderr } = await here(verb, settings(), ...rest)
    expect([argv, code]).toEqual([argv, 0])
    shown.push(stdout, stderr)
  }
  const wrong = await here('status', settings({ password: 'wrong' }))
  expect(wrong.stderr).toContain('error DATABASE_AUTH: ')
  const daemon = await world.start({ set: settings() })
  shown.push(
    wrong.stderr,
    ...(await Promise.all(['/metrics', '/healthz', '/'].map(async (path) => (await daemon.page(path)).text))),
  )
  await daemon.stop()
  shown.push(JSON.stringify(daemon.log.all))
  expect(shown.join('\n')).toContain(role)
  for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), 'planted-'])
    expect(shown.join('\n')).not.toContain(form)
  expect(server.tls() - encrypted).toBeGreaterThan(6)
})

it('a server with a certificate of another CA, another name, or without TLS, is not talked to', async () => {
  const other = join(import.meta.dirname, '..', 'fixtures', 'fedmsg-signed', 'pki', 'ca.crt')
  expect(await here('status', settings({ ca: other }))).toMatchObject({
    code: 12,
    stderr: expect.stringMatching(/error DATABASE_DOWN: .*certificate/),
  })
  expect(await here('status', settings({ ca: '/none.pem' }))).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('error CA_FILE_UNREADABLE: staging.ca_file /none.pem'),
  })
  // The certificate is for localhost and 127.0.0.1 alone; by an address it could not be told.
  expect(await here('status', settings({ host: '127.0.0.1' }))).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('staging.ca_file: needs a name in staging.database'),
  })
  expect(await here('status', settings({ host: 'localhost.localdomain' }))).toMatchObject({ code: 12 })
  const plain = settings().map((one) => one.replace(`:${server.port}/`, `:${address.port}/`))
  expect(await here('status', plain)).toMatchObject({
    code: 12,
    stderr: expect.stringContaining('does not support SSL'),
  })
})
