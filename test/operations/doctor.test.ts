import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { readHubCertificate, readHubClock } from '../../src/hub/probe.ts'
import {
  judgeBus,
  judgeCertificate,
  judgeClock,
  judgeNode,
  judgePostgres,
  judgeRate,
  judgeScope,
  judgeServer,
  judgeVolumes,
} from '../../src/operations/doctor-surroundings.ts'
import { noStep } from '../../src/step.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { freePort } from '../support/free-port.ts'
import { TLS_CA_FILE } from '../support/tls-postgres.ts'
import { command } from './command.ts'

const DAY_MS = 86_400_000
const SERVER = {
  versionNumber: 150_004,
  encoding: 'UTF8',
  deadlockTimeoutMs: 1_000,
  synchronousCommit: 'on',
  fsync: true,
  inRecovery: false,
}

describe('what the surroundings tell is judged:', () => {
  it.each([
    ['a Node that is too old', judgeNode('v20.18.1'), 'fail'],
    ['a new one', judgeNode('v22.1.0'), 'ok'],
    ['an old PostgreSQL', judgePostgres('12.3', 'koji'), 'warn'],
    ['one with a name of its distribution', judgePostgres('15.14 (Debian 15.14-0+deb12u1)', 'koji'), 'ok'],
    ['a server as it should be', judgeServer(SERVER), 'ok'],
    ['a standby', judgeServer({ ...SERVER, inRecovery: true }), 'fail'],
    [
      'a server that may lose what it has committed',
      judgeServer({ ...SERVER, synchronousCommit: 'off' }),
      'warn',
    ],
    ['one that may end its own work for us', judgeServer({ ...SERVER, deadlockTimeoutMs: 200 }), 'warn'],
    ['a hub whose clock is 10 minutes behind', judgeClock('hub', -600_000), 'fail'],
    ['one that is 8 seconds ahead', judgeClock('hub', 8_000), 'warn'],
    ['one within its second', judgeClock('hub', 900), 'ok'],
    ['one that does not tell', judgeClock('hub', null), 'warn'],
    ['a database an hour ahead', judgeClock('database', 3_600_000), 'fail'],
    ['a certificate that has ended', judgeCertificate(0, DAY_MS), 'fail'],
    ['one that ends in a week', judgeCertificate(8 * DAY_MS, DAY_MS), 'warn'],
    ['one for long', judgeCertificate(400 * DAY_MS, DAY_MS), 'ok'],
    ['no TLS', judgeCertificate(null, DAY_MS), 'warn'],
    [
      'a hub that takes seconds',
      judgeRate([3, 2_000, 2_100], { requestsPerSecond: 1, concurrency: 4 }),
      'warn',
    ],
    ['one too far away for its rate', judgeRate([500], { requestsPerSecond: 20, concurrency: 2 }), 'warn'],
    ['a fast one', judgeRate([5, 900, 6], { requestsPerSecond: 20, concurrency: 4 }), 'ok'],
    ['a volume that prod does not have', judgeVolumes(['DEFAULT'], { DEFAULT: 'prod', arhive: 'a' }), 'fail'],
    ["prod's default volume without a name", judgeVolumes(['DEFAULT', 'a'], { a: 'a' }), 'fail'],
    ['another volume without one', judgeVolumes(['DEFAULT', 'a'], { DEFAULT: 'prod' }), 'warn'],
    ['a pattern of scope that matches no tag', judgeScope(['f43', 'f42'], ['f4*', 'g43*']), 'warn'],
    ['patterns of scope that all match some', judgeScope(['f43', 'f42'], ['f4*', 'f42']), 'ok'],
    ['all volumes named', judgeVolumes(['DEFAULT', 'a'], { DEFAULT: 'prod', a: 'prod-a' }), 'ok'],
  ] as const)('%s', (_, check, status) => {
    expect([check.message, check.status]).toEqual([check.message, status])
    // Whatever is not well says what to do.
    if (status === 'ok') expect(check.todo).toBeNull()
    else expect(check.todo).toMatch(/\w/)
  })

  it('a bus that is there, silent, half there, away, or not configured', () => {
    const seen = (endpoints: string[], connected: number, messages: number): string[] =>
      judgeBus(endpoints, { connected, messages, listenMs: 1_000 }).map(
        ({ name, status }) => `${name} ${status}`,
      )
    expect(seen(['a', 'b'], 2, 1)).toEqual(['bus.reachable ok', 'bus.talking ok'])
    expect(seen(['a', 'b'], 2, 0)).toEqual(['bus.reachable ok', 'bus.talking warn'])
    expect(seen(['a', 'b'], 1, 1)).toEqual(['bus.reachable warn', 'bus.talking ok'])
    expect(seen(['a', 'b'], 0, 0)).toEqual(['bus.reachable fail'])
    expect(seen([], 0, 0)).toEqual(['bus.reachable warn'])
  })
})

describe("the hub's web server", () => {
  const options = { ca: undefined, timeoutMs: 5_000, step: noStep }
  async function serving(listener: RequestListener): Promise<string> {
    const server = createServer(listener).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => void server.close())
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/kojihub`
  }

  it('tells its time with whatever it answers, and is asked for nothing else', async () => {
    const methods: unknown[] = []
    const url = await serving(({ method }, response) => {
      methods.push(method)
      response.writeHead(405, { date: 'Thu, 01 Jan 2026 00:00:00 GMT' }).end()
    })
    expect(await readHubClock({ ...options, url })).toMatchObject({ serverMs: Date.UTC(2026, 0, 1) })
    expect(methods).toEqual(['HEAD'])
    const silent = await serving((_, response) => {
      response.sendDate = false
      response.end()
    })
    expect(await readHubClock({ ...options, url: silent })).toBeNull()
  })

  it('tells until when its certificate is in force, whoever issued it', async () => {
    const folder = join(import.meta.dirname, '..', 'fixtures', 'tls')
    const server = createTlsServer({
      cert: readFileSync(TLS_CA_FILE),
      key: readFileSync(join(folder, 'localhost-key.pem')),
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => void server.close())
    const url = `https://localhost:${(server.address() as AddressInfo).port}/kojihub`
    expect(await readHubCertificate({ ...options, url })).toBeGreaterThan(Date.UTC(2026, 0, 1))
    expect(await readHubCertificate({ ...options, url: 'http://localhost/kojihub' })).toBeNull()
  })

  it('that is away is an outage', async () => {
    const port = await freePort()
    const away = { code: 'HUB_UNREACHABLE', part: 'hub' }
    await expect(readHubClock({ ...options, url: `http://127.0.0.1:${port}/` })).rejects.toMatchObject(away)
    await expect(readHubCertificate({ ...options, url: `https://127.0.0.1:${port}/` })).rejects.toMatchObject(
      away,
    )
  })
})

describe('doctor', () => {
  let world: E2eWorld
  beforeAll(async () => {
    world = await e2eWorld()
  })
  afterAll(() => world?.close())
  const doctor = async (...argv: string[]) => command('doctor', '--config', world.file, ...argv)

  it('hears the bus talk, and knows hub, clocks and volumes', async () => {
    const talking = setInterval(() => void world.bus.publish({ topic: 'other.topic', body: {} }), 20)
    const { code, stdout } = await doctor('--listen', '30').finally(() => clearInterval(talking))
    expect([code, stdout]).toEqual([0, stdout])
    for (const name of [
      'program.node',
      'hub.clock',
      'hub.volumes',
      'bus.reachable',
      'bus.talking',
      'database.clock',
    ])
      expect(stdout).toMatch(new RegExp(`^ok +${name}: `, 'm'))
    expect(stdout).toMatch(/^(ok|warn) +hub\.rate: answers in \d+ ms/m)
    expect(stdout).toMatch(/^warn +hub\.certificate: no TLS/m)
  })

  it("says what to do where the bus is away or silent, and a volume is not prod's", async () => {
    const silent = await doctor('--listen', '0', '--set', 'scope.tags=["*", "fedora-43*"]')
    expect([silent.code, silent.stdout]).toEqual([
      0,
      expect.stringMatching(/^warn +bus\.talking: no message .*\n +do: /m),
    ])
    expect(silent.stdout).toMatch(/^warn +hub\.scope: .*; none matches fedora-43\*\n +do: /m)
    const port = await freePort()
    const away = await doctor('--set', `bus.fedmsg.endpoints=["tcp://127.0.0.1:${port}"]`)
    expect([away.code, away.stdout]).toEqual([
      1,
      expect.stringMatching(/^fail +bus\.reachable: 0 of 1 .*\n +do: /m),
    ])
    const volume = await doctor('--listen', '0', '--set', 'prod.volumes={ DEFAULT = "prod", nope = "x" }')
    expect([volume.code, volume.stdout]).toEqual([
      1,
      expect.stringMatching(/^fail +hub\.volumes: .*nope.*\n +do: /m),
    ])
    expect(await doctor('--listen', 'long')).toMatchObject({ code: 2 })
  })

  it("warns where staging's people, or koji-gc, put builds into the trashcan", async () => {
    expect((await doctor('--listen', '0')).stdout).toMatch(/^ok +database\.koji-gc: /m)
    expect((await doctor('--listen', '0')).stdout).toMatch(/^ok +storage\.staging directories: /m)
    await world.local.addTag('trashcan')
    await world.local.addPackage('trashcan', 'rubbish')
    const build = { name: 'rubbish', version: '1', release: '1', rpms: [{ name: 'rubbish', arch: 'x86_64' }] }
    await world.local.importBuild(build)
    await world.local.tagBuild('trashcan', 'rubbish-1-1')
    const warned = await doctor('--listen', '0')
    expect(warned.stdout).toMatch(/^warn +database\.koji-gc: 1 builds .*\n +do: .*koji-gc/m)
  })

  it('goes on with the rest while the hub is away', async () => {
    await world.way.down()
    const { code, stdout } = await doctor('--listen', '0')
    await world.way.up()
    expect(code).toBe(1)
    expect(stdout).toMatch(/^fail +hub\.reachable: HUB_/m)
    expect(stdout).toMatch(/^ok +database\.clock: /m)
  })
})
