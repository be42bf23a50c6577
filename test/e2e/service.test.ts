import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DatagramReceiver } from '../support/datagram-receiver.ts'
import { freePort } from '../support/free-port.ts'
import { firingAfter } from '../telemetry/alerts.ts'
import { ChildDaemon } from './daemon.ts'
import { type LogLine, said } from './log-lines.ts'
import { buildProgram, type Program } from './program.ts'
import { type E2eWorld, e2eWorld } from './world.ts'

/* One daemon as systemd starts it (Type=notify, WatchdogSec), through its life. */

let world: E2eWorld
let program: Program
let manager: DatagramReceiver
let daemon: ChildDaemon
let original = ''
beforeAll(async () => {
  const made = await Promise.all([e2eWorld(), buildProgram()])
  world = made[0]
  program = made[1]
  original = await readFile(world.file, 'utf8')
  const address = join(world.root, 'notify')
  manager = new DatagramReceiver(address)
  await world.way.down()
  daemon = new ChildDaemon(world.file, program, undefined, {
    NOTIFY_SOCKET: address,
    WATCHDOG_USEC: '2000000',
  })
})
afterAll(async () => {
  await daemon?.kill()
  manager?.close()
  await world?.close()
  await program?.remove()
})

/** Writes another configuration and sends SIGHUP; resolves with what was told and logged until READY. */
async function reload(
  change: (text: string) => string,
  ended: (line: LogLine) => boolean = (line) => refused(line) || begunAnew(line),
): Promise<{ texts: string[]; lines: LogLine[] }> {
  const [from, fromLine] = [manager.read().length, daemon.log.all.length]
  await writeFile(world.file, change(original))
  daemon.signal('SIGHUP')
  await manager.until(/^RELOADING=1\nMONOTONIC_USEC=\d+$/, from)
  await manager.until(/^READY=1/, from)
  // The log comes another way than the manager's messages.
  await daemon.log.until('how it ended', ended, { from: fromLine })
  return {
    texts: manager
      .read()
      .slice(from)
      .filter((text) => !/^(STATUS|WATCHDOG)=/.test(text)),
    lines: daemon.log.all.slice(fromLine),
  }
}

const refused = said('new configuration refused: the running one stays')
const begunAnew = said('new configuration: all work begins anew with it')
const codeOf = (lines: readonly LogLine[]): unknown =>
  (lines.find(refused) as { err?: { code?: unknown } } | undefined)?.err?.code

/** A change of prod's comes through. */
async function follows(tag: string): Promise<void> {
  await world.heard(daemon)
  await world.prod.addTag(tag, { arches: 'x86_64' })
  await world.prod.addPackage(tag, 'bash')
  await daemon.log.until(`${tag} is there`, said('converged', { outcome: 'applied' }), {
    from: daemon.log.all.length,
  })
  await world.equal({ tags: [tag] })
}

test('a start without the hub is no start yet: it says what it waits for, and asks for more time', async () => {
  await manager.until(/^STATUS=waits for prod's hub: /)
  await manager.until(/^EXTEND_TIMEOUT_USEC=\d+$/)
  expect(manager.texts.filter((text) => text.startsWith('READY'))).toEqual([])
  await world.way.up()
  await manager.until(/^READY=1\nWATCHDOG=1$/)
  await daemon.log.until('ready', said('service ready'))
})

test('the status tells lag and queue, and the watchdog hears that loops turn', async () => {
  await follows('f43')
  await manager.until(/^STATUS=lag \d+\.\d s \(at most \d+\.\d s\); queue /)
  await manager.until(/^WATCHDOG=1$/)
})

/** The alerts of a daemon whose metrics have been these for a minute. */
async function alerts(): Promise<string[]> {
  const listens = daemon.log.all.findLast(({ msg }) => msg === 'http listens')
  return firingAfter([1, await (await fetch(`http://127.0.0.1:${listens?.port}/metrics`)).text()])
}

test('a wrong file is refused whole, with all that is wrong, and the running configuration stays', async () => {
  const { texts, lines } = await reload((text) => `${text.replace('[http]', '[htpt]')}\n[log2]\nx = 1\n`)
  expect(texts).toEqual([expect.stringMatching(/^RELOADING=1/), 'READY=1\nWATCHDOG=1'])
  expect(codeOf(lines)).toBe('CONFIG_INVALID')
  expect(JSON.stringify(lines.find(refused))).toMatch(/htpt.*log2/)
  expect(lines.filter(begunAnew)).toEqual([])
  expect((await daemon.page('/healthz')).status).toBe(200)
  expect(await alerts()).toContain('KojiSyncReloadRefused')
})

test.each([
  ['another database', (text: string) => text.replace(/(database = ".*)"/, '$1x"'), /^DATABASE_/],
  [
    'a tree that is not there',
    (text: string) => text.replace(/topdir = "(.*)\/prod"/, 'topdir = "$1/none"'),
    /^STORAGE_/,
  ],
  [
    'a CA that is not there',
    (text: string) => text.replace('validate_signatures = false', 'ca = "/nowhere/ca.pem"'),
    /^BUS_/,
  ],
])('%s is refused before anything stops', async (_, change, code) => {
  const { lines } = await reload(change)
  expect(codeOf(lines)).toMatch(code)
  expect(lines.filter(begunAnew)).toEqual([])
})

test('another policy is refused while another daemon works with the old one', async () => {
  await writeFile(world.file, original)
  const other = await world.start({ catchUp: 'off' })
  const { lines } = await reload((text) => `${text}[scope]\nexclude_tags = ["x*"]\n`)
  expect(codeOf(lines)).toBe('DAEMON_OTHER_POLICY')
  await other.stop()
})

test('a right one is worked with at once, all of it, without a new process', async () => {
  const port = await freePort()
  const { texts, lines } = await reload(
    (text) => `${text.replace('127.0.0.1:0', `127.0.0.1:${port}`)}[scope]\nexclude_tags = ["x*"]\n`,
  )
  expect(texts.at(-1)).toBe('READY=1\nWATCHDOG_USEC=2000000\nWATCHDOG=1')
  expect(lines.find(said('new configuration: all work begins anew with it'))).toMatchObject({
    changed: ['scope.excludeTags', 'http.listen'],
  })
  expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
  expect(await alerts()).not.toContain('KojiSyncReloadRefused')
  await follows('f44')
  await world.prod.addTag('x1', { arches: 'x86_64' })
  await follows('f45')
  expect(await world.sql(`select 1 from tag where name = 'x1'`)).toEqual([])
})

test('one that turns out not to work gives way to the one before', async () => {
  const taken = world.prodHub.url.replace(/^http:\/\/([^/]+)\/.*$/, '$1')
  const { texts, lines } = await reload((text) => text.replace('127.0.0.1:0', taken), refused)
  expect(codeOf(lines)).toBe('HTTP_LISTEN')
  expect(texts.at(-1)).toMatch(/^READY=1/)
  await follows('f46')
  expect(await alerts()).toContain('KojiSyncReloadRefused')
})

test('SIGTERM is told, and ends it with 0', async () => {
  const from = manager.read().length
  await daemon.stop()
  expect(manager.read().slice(from)).toContain('STOPPING=1')
  expect(await daemon.ended).toMatchObject({ code: 0, stderr: '' })
  expect(await world.sql('select 1 from staging_sync.daemon')).toEqual([])
})
