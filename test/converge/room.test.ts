import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { Breakers } from '../../src/converge/breakers.ts'
import { BuildConverger } from '../../src/converge/build/build.ts'
import { RoomGate } from '../../src/converge/build/room.ts'
import { Worker } from '../../src/converge/worker.ts'
import { StopError } from '../../src/errors.ts'
import { Placements } from '../../src/operations/placements.ts'
import { Breaker } from '../../src/queue/breaker.ts'
import { noStep } from '../../src/step.ts'
import { Transfers } from '../../src/storage/copy-limits.ts'
import { MountSource } from '../../src/storage/copy-mount.ts'
import { CopyPlacement } from '../../src/storage/copy-placement.ts'
import { SteppedCopier } from '../../src/storage/crew.ts'
import { VolumePlacement } from '../../src/storage/volume-placement.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { convergersOf } from './convergers.ts'
import { TestSync } from './support.ts'

let sync: TestSync
beforeAll(async () => {
  sync = await TestSync.open({ scope: { builds: 'all' } })
})
afterAll(() => sync?.close())

it('while there is no room for copies only they wait, without asking prod again; they come by themselves when there is', async () => {
  const { prod, queue, prodTopdir, stagingTopdir } = sync
  const rpms = [{ arch: 'x86_64' }]
  const copied = await prod.importBuild({ name: 'copied', version: '1', release: '1', rpms })
  const linked = await prod.importBuild({ name: 'linked', version: '1', release: '1', rpms })
  let reserveBytes = Number.MAX_SAFE_INTEGER
  const copy = new CopyPlacement({
    source: new MountSource({ prodTopdir, step: noStep }),
    stagingTopdir,
    linkTarget: prodTopdir,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    transfers: new Transfers({ bytesPerSecond: null, openTransfers: 4 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: true, hardlink: false },
    fsync: false,
    get reserveBytes() {
      return reserveBytes
    },
    fileMode: 0o644,
    step: noStep,
  })
  const volume = new VolumePlacement({
    prodTopdir,
    linkTarget: prodTopdir,
    stagingTopdir,
    linkOwner: 'any',
    fsync: false,
    step: noStep,
  })
  const any = { tags: null, btypes: null }
  const placement = new Placements({
    rules: [
      { ...any, packages: ['copied'], mode: 'copy' },
      { ...any, packages: null, mode: 'volume' },
    ],
    placements: [copy, volume],
    volumes: { DEFAULT: 'prod' },
  })
  // The storage itself is well, whatever room it has.
  await placement.probe()

  const clock = {
    nowMs: () => performance.now(),
    sleep: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        setTimeout(resolve, ms)
        signal.addEventListener('abort', () => resolve(), { once: true })
      }),
  }
  const breakers = (['database', 'hub', 'storage', 'space'] as const).map(
    (part) => new Breaker({ part, clock, random: () => 0, baseMs: 20, ceilingMs: 50 }),
  )
  const space = breakers.find(({ part }) => part === 'space') as Breaker
  let probes = 0
  const probe = async (): Promise<void> => {
    probes++
    await placement.probeRoom()
  }
  const telemetry = {
    log: createLog({ level: 'error', form: 'json', write: () => {}, stacks: false }),
    metrics: new Metrics({ version: 'test', processMetrics: false }),
  }
  const deps = sync.deps({ placement })
  const room = {
    breakers: new Breakers(breakers, telemetry, { storage: () => placement.probe(), space: probe }),
    waiting: new Set<number>(),
  }
  const worker = new Worker({
    queue,
    convergers: {
      ...convergersOf(deps),
      build: new RoomGate(new BuildConverger(deps), queue, room),
    },
    breakers,
    probes: { storage: () => placement.probe(), space: probe },
    telemetry,
    concurrency: 4,
    graceMs: 1_000,
    idleMs: 50,
    databaseNowMs: () => Date.now(),
    random: () => 0,
    payDebts: async () => {},
  })
  const stop = new AbortController()
  const running = worker.run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await running
  })
  const key = (buildId: number) => ({ kind: 'build', buildId }) as const
  await worker.mark([{ key: key(copied.id), priority: 'live' }])
  await expect.poll(() => space.state().lastCode).toBe('STORAGE_NO_SPACE')
  await worker.mark([{ key: key(linked.id), priority: 'live' }])
  await expect.poll(() => sync.queued()).toEqual([`build/${copied.id}`])
  expect(breakers.filter((one) => one.state().failures > 0)).toEqual([space])

  const asked = sync.hub.knobs.requests
  const before = probes
  await expect.poll(() => probes).toBeGreaterThan(before + 2)
  expect(sync.hub.knobs.requests).toBe(asked)
  expect(await sync.queued()).toEqual([`build/${copied.id}`])

  reserveBytes = 0
  await expect.poll(() => sync.queued()).toEqual([])
  expect(space.state().failures).toBe(0)
  const path = join(stagingTopdir, 'vol/prod-copy/packages/copied/1/1/x86_64/copied-1-1.x86_64.rpm')
  expect(statSync(path).isFile()).toBe(true)
})

it('a build whose bytes trickle is given up when its worker is told to stop', async () => {
  const { prod, queue, prodTopdir, stagingTopdir } = sync
  const { id } = await prod.importBuild({
    name: 'slow',
    version: '1',
    release: '1',
    rpms: [{ arch: 'x86_64' }],
  })
  const stop = new AbortController()
  const copy = new CopyPlacement({
    source: new MountSource({ prodTopdir, step: noStep }),
    stagingTopdir,
    linkTarget: prodTopdir,
    take: { arches: null, signedKeys: [], sigcache: true, logs: true },
    // The first piece waits for hours.
    transfers: new Transfers({ bytesPerSecond: 0.01, openTransfers: 1 }),
    copier: new SteppedCopier(noStep),
    sharing: { reflink: false, hardlink: false },
    fsync: false,
    reserveBytes: 0,
    fileMode: 0o644,
    step: (name) => {
      if (name === 'file.create') setImmediate(() => stop.abort())
      return undefined
    },
  })
  const rules = [{ tags: null, btypes: null, packages: null, mode: 'copy' as const }]
  const deps = sync.deps({
    placement: new Placements({ rules, placements: [copy], volumes: { DEFAULT: 'prod' } }),
  })
  const key = { kind: 'build', buildId: id } as const
  const [claim] = await queue.markAndClaim([{ key, priority: 'live' }])
  if (claim === undefined) throw new Error('nobody else claims it')
  const converging = new BuildConverger(deps).converge(key, claim, stop.signal)
  await expect(converging).rejects.toBeInstanceOf(StopError)
  expect(existsSync(join(stagingTopdir, 'vol/prod-copy/packages/slow/1/1'))).toBe(false)
  await queue.release([claim], { delayMs: 0 })
})
