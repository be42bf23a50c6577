import { describe, expect, it } from 'vitest'
import { KeyError, OutageError, StopError } from '../../src/errors.ts'
import { Breaker, type BreakerClock } from '../../src/queue/breaker.ts'

/** Time that passes only when told to. */
class ManualClock implements BreakerClock {
  #nowMs = 1_000
  #sleepers: { atMs: number; wake: () => void }[] = []
  nowMs(): number {
    return this.#nowMs
  }
  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((wake) => {
      if (signal.aborted) return wake()
      signal.addEventListener('abort', () => wake(), { once: true })
      this.#sleepers.push({ atMs: this.#nowMs + delayMs, wake })
    })
  }
  async pass(ms: number): Promise<void> {
    this.#nowMs += ms
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { wake } of due) wake()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const never = new AbortController().signal
const outage = () => new OutageError('hub', 'HUB_DOWN', 'down')

function setup() {
  const clock = new ManualClock()
  const breaker = new Breaker({ part: 'hub', clock, random: () => 0, baseMs: 100, ceilingMs: 400 })
  return { clock, breaker }
}

const failing = (error: unknown) => () => Promise.reject(error)

describe('a breaker', () => {
  it('lets everything pass, at once and together, while the part is up', async () => {
    const { breaker } = setup()
    expect(await Promise.all([1, 2, 3].map((n) => breaker.run(async () => n, never)))).toEqual([1, 2, 3])
    await expect(breaker.run(failing(new KeyError('X', 'x')), never)).rejects.toThrow('x')
    await expect(
      breaker.run(failing(new OutageError('database', 'DATABASE_DOWN', 'other part')), never),
    ).rejects.toThrow()
    expect(breaker.state()).toMatchObject({ state: 'closed', failures: 0, retryInMs: 0 })
  })

  it('opens at an outage, lets one probe through, and closes when that succeeds', async () => {
    const { breaker, clock } = setup()
    await expect(breaker.run(failing(outage()), never)).rejects.toThrow('down')
    expect(breaker.state()).toMatchObject({
      state: 'open',
      failures: 1,
      retryInMs: 100,
      lastCode: 'HUB_DOWN',
    })
    let running = 0
    let end = (): void => {}
    const work = () => {
      running += 1
      return new Promise<void>((resolve) => {
        end = resolve
      })
    }
    const all = [breaker.run(work, never), breaker.run(work, never), breaker.run(work, never)]
    await clock.pass(99)
    expect(running).toBe(0)
    await clock.pass(1)
    expect(running).toBe(1)
    expect(breaker.state().state).toBe('half-open')
    await clock.pass(10_000)
    expect(running).toBe(1)
    end()
    await all[0]
    await clock.pass(0)
    expect(running).toBe(3)
    expect(breaker.state()).toMatchObject({ state: 'closed', openForMs: 0 })
  })

  it('waits twice as long after each probe that fails, up to the ceiling', async () => {
    const { breaker, clock } = setup()
    const pauses: number[] = []
    breaker.report(outage())
    for (let i = 0; i < 5; i += 1) {
      const { retryInMs } = breaker.state()
      pauses.push(retryInMs)
      await clock.pass(retryInMs)
      await expect(breaker.run(failing(outage()), never)).rejects.toThrow('down')
    }
    expect(pauses).toEqual([100, 200, 400, 400, 400])
    expect(breaker.state()).toMatchObject({ failures: 6, openForMs: 1_500 })
  })

  it('counts an outage once, however many were at work when it came', async () => {
    const { breaker } = setup()
    const permits = await Promise.all([1, 2, 3, 4].map(() => breaker.acquire(never)))
    for (const permit of permits.slice(1)) permit.failed(outage())
    expect(breaker.state()).toMatchObject({ failures: 1, retryInMs: 100 })
    permits[0]?.succeeded()
    expect(breaker.state().state).toBe('open')
  })

  it('takes an answer with an error of the key for a sign of life', async () => {
    const { breaker, clock } = setup()
    breaker.report(outage())
    await clock.pass(100)
    await expect(breaker.run(failing(new KeyError('X', 'no such build')), never)).rejects.toThrow('no such')
    expect(breaker.state().state).toBe('closed')
  })

  it('hands the probe to the next one when it was not used', async () => {
    const { breaker, clock } = setup()
    breaker.report(outage())
    await clock.pass(100)
    const first = await breaker.acquire(never)
    const second = breaker.acquire(never)
    first.unused()
    first.failed(outage())
    ;(await second).succeeded()
    expect(breaker.state().state).toBe('closed')
  })

  it('stops waiting when told to', async () => {
    const { breaker } = setup()
    breaker.report(outage())
    const stop = new AbortController()
    const waiting = breaker.run(async () => 1, stop.signal)
    stop.abort()
    await expect(waiting).rejects.toBeInstanceOf(StopError)
    expect(breaker.state().state).toBe('open')
  })
})
