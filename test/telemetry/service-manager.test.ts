import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ServiceManager } from '../../src/telemetry/systemd/service-manager.ts'
import { openDatagrams } from '../../src/telemetry/systemd/unix-datagrams.ts'
import { DatagramReceiver } from '../support/datagram-receiver.ts'

function listening(kind: 'path' | 'abstract' = 'path'): { address: string; receiver: DatagramReceiver } {
  const directory = mkdtempSync(join(tmpdir(), 'kss-notify-'))
  const address = kind === 'path' ? join(directory, 'notify') : `@kss-${randomUUID()}`
  const receiver = new DatagramReceiver(address)
  onTestFinished(() => {
    receiver.close()
    rmSync(directory, { recursive: true })
  })
  return { address, receiver }
}

async function managed(
  env: Record<string, string>,
): Promise<{ manager: ServiceManager; failures: string[] }> {
  const failures: string[] = []
  const manager = await ServiceManager.find(env, (error) => failures.push(error.message))
  if (manager === null) throw new Error(`no manager: ${failures.join()}`)
  onTestFinished(() => manager.close())
  return { manager, failures }
}

describe('datagrams to a unix socket', () => {
  it.each(['path', 'abstract'] as const)('arrive whole and in order at a socket of kind %s', async (kind) => {
    const { address, receiver } = listening(kind)
    // The kernel's own list has the name without zeros at its end: what systemd binds.
    if (kind === 'abstract') expect(readFileSync('/proc/net/unix', 'utf8')).toContain(` ${address}\n`)
    const sender = await openDatagrams(address)
    onTestFinished(() => sender.close())
    expect([sender.send('READY=1\nSTATUS=grün'), sender.send('x'.repeat(30_000))]).toEqual([true, true])
    expect(receiver.read()).toEqual(['READY=1\nSTATUS=grün', 'x'.repeat(30_000)])
  })

  it('are refused, not waited for, when nobody reads', async () => {
    const { address, receiver } = listening()
    const sender = await openDatagrams(address)
    onTestFinished(() => sender.close())
    let sent = 0
    while (sender.send(String(sent))) sent += 1
    expect(sent).toBeGreaterThan(0)
    expect(receiver.read()).toHaveLength(sent)
    expect(sender.send('again')).toBe(true)
  })

  it.each(['', 'relative', '@', 'vsock:2:1234', `/${'x'.repeat(108)}`])(
    'are never sent to %j',
    async (address) => {
      await expect(openDatagrams(address)).rejects.toMatchObject({ code: 'NOTIFY_FAILED' })
    },
  )

  it('that cannot be sent say why', async () => {
    const sender = await openDatagrams('/nowhere/notify')
    onTestFinished(() => sender.close())
    expect(() => sender.send('READY=1')).toThrow('cannot send to /nowhere/notify: ENOENT')
  })
})

describe('the service manager', () => {
  it('is there only for who was started by one', async () => {
    const never = (): void => {
      throw new Error('told')
    }
    expect(await ServiceManager.find({}, never)).toBeNull()
    expect(await ServiceManager.find({ NOTIFY_SOCKET: '' }, never)).toBeNull()
    const failures: unknown[] = []
    expect(
      await ServiceManager.find({ NOTIFY_SOCKET: 'vsock:1' }, (error) => failures.push(error)),
    ).toBeNull()
    expect(failures).toMatchObject([{ code: 'NOTIFY_FAILED' }])
  })

  it('is told once that it cannot be told', async () => {
    const { manager, failures } = await managed({ NOTIFY_SOCKET: '/nowhere/notify' })
    manager.status('one')
    manager.ready()
    expect(failures).toEqual(['cannot send to /nowhere/notify: ENOENT'])
  })

  it('gets states as sd_notify(3) names them, and a status of one line that nothing can steer', async () => {
    const { address, receiver } = listening()
    const { manager } = await managed({ NOTIFY_SOCKET: address })
    manager.status('connects\nREADY=1\u001b[2J')
    manager.status('connects\nREADY=1\u001b[2J')
    manager.ready()
    const before = process.hrtime.bigint() / 1000n
    manager.reloading()
    manager.pausing(1000)
    manager.ready()
    manager.stopping()
    const [status, ready, reloading, ...rest] = receiver.read()
    expect(status).toBe('STATUS=connects\\u000aREADY=1\\u001b[2J')
    expect(ready).toBe('READY=1')
    const usec = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading ?? '')?.[1]
    // The clock that systemd compares it with.
    expect(Number(usec)).toBeGreaterThanOrEqual(Number(before))
    expect(Number(usec)).toBeLessThan((Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) + 1) * 1e6)
    expect(rest).toEqual(['READY=1', 'STOPPING=1'])
  })

  it('hears of progress, not of time: once in a quarter of the watchdog, and never while something stands still', async () => {
    const { address, receiver } = listening()
    let usec = 0n
    const manager = new ServiceManager({
      sender: await openDatagrams(address),
      watchdogMs: 60_000,
      onFailure: () => {},
      monotonicUsec: () => usec,
    })
    onTestFinished(() => manager.close())
    const told = (afterMs: number, well = true): string[] => {
      const before = receiver.read().length
      usec += BigInt(afterMs) * 1000n
      manager.progress(() => well)
      return receiver.read().slice(before)
    }
    // While it starts, the start may take longer.
    expect(told(0)).toEqual(['EXTEND_TIMEOUT_USEC=120000000'])
    expect([told(14_000), told(1_000)]).toEqual([[], ['EXTEND_TIMEOUT_USEC=120000000']])
    manager.ready()
    expect(receiver.read().at(-1)).toBe('READY=1\nWATCHDOG=1')
    expect([told(14_000), told(1_000), told(1_000)]).toEqual([[], ['WATCHDOG=1'], []])
    expect([told(100_000, false), told(1_000, false), told(1_000)]).toEqual([[], [], ['WATCHDOG=1']])
    manager.pausing(5_000)
    manager.ready()
    expect(receiver.read().slice(-2)).toEqual([
      'WATCHDOG_USEC=65000000\nWATCHDOG=1',
      'READY=1\nWATCHDOG_USEC=60000000\nWATCHDOG=1',
    ])
  })

  it('has a watchdog only where the environment says so, for this process', async () => {
    const { address, receiver } = listening()
    for (const env of [
      {},
      { WATCHDOG_USEC: 'x' },
      { WATCHDOG_USEC: '1000', WATCHDOG_PID: '1' },
      { WATCHDOG_USEC: '1000', WATCHDOG_PID: String(process.pid) },
    ]) {
      const { manager } = await managed({ NOTIFY_SOCKET: address, ...env })
      manager.ready()
    }
    expect(receiver.read()).toEqual(['READY=1', 'READY=1', 'READY=1', 'READY=1\nWATCHDOG=1'])
  })

  it('that was behind gets all states that still count, in order', async () => {
    const { address, receiver } = listening()
    // Either a sender's own buffer is full, or the queue of who listens: that one when a new sender's first message fails.
    for (let sent = 1; sent > 0; ) {
      const full = await openDatagrams(address)
      onTestFinished(() => full.close())
      for (sent = 0; full.send('full'); ) sent += 1
    }
    const { manager } = await managed({ NOTIFY_SOCKET: address })
    manager.ready()
    manager.status('one')
    manager.status('two')
    await receiver.until(/^STATUS=two$/)
    expect(receiver.texts.filter((text) => text !== 'full')).toEqual(['READY=1', 'STATUS=two'])
  })
})
