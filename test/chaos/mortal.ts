import { setTimeout as sleep } from 'node:timers/promises'
import { StopError } from '../../src/errors.ts'
import type { Operations } from '../../src/model/operations.ts'
import { type Here, openHere } from '../e2e/daemon.ts'

/** What every effect of somebody dead ends in. */
export class Dead extends Error {}

/** A process, as far as effects go: from the step on at which it dies none of its effects happens any more. */
export class Mortal {
  readonly here: Here
  readonly ended: Promise<unknown>
  readonly #life: { left: number; dead: boolean }
  readonly #stop: AbortController

  static async start(
    file: string,
    set: readonly string[],
    work: (operations: Operations, signal: AbortSignal) => Promise<void>,
  ): Promise<Mortal> {
    const life = { left: Number.POSITIVE_INFINITY, dead: false }
    const stop = new AbortController()
    const step = (name: string): undefined => {
      life.left -= 1
      if (life.left < 0) {
        life.dead = true
        // What listens for it ends; none of that can have an effect any more.
        if (!stop.signal.aborted) setImmediate(() => stop.abort(new StopError('TEST_KILLED', 'killed')))
      }
      if (life.dead) throw new Dead(name)
      return undefined
    }
    const here = await openHere({ file, set, step })
    return new Mortal(here, life, stop, work)
  }

  private constructor(
    here: Here,
    life: { left: number; dead: boolean },
    stop: AbortController,
    work: (operations: Operations, signal: AbortSignal) => Promise<void>,
  ) {
    this.here = here
    this.#life = life
    this.#stop = stop
    this.ended = work(here.operations, stop.signal)
      .then(
        () => null,
        (error: unknown) => error,
      )
      .then(async (error) => {
        // Its connections break, whatever was open is rolled back.
        await here.operations.destroy().catch(() => {})
        here.log.end()
        return error
      })
  }

  get wasKilled(): boolean {
    return this.#life.dead
  }

  /** It dies at its so manieth step from now. */
  dieIn(steps: number): void {
    this.#life.left = steps
  }

  async kill(): Promise<void> {
    this.#life.left = 0
    this.#life.dead = true
    this.#stop.abort(new StopError('TEST_KILLED', 'killed'))
    await this.ended
  }

  stop(): Promise<unknown> {
    this.#stop.abort(new StopError('STOPPED_BY_TEST', 'stopped'))
    return this.ended
  }

  /** Until the bus is connected, or it has ended, or a moment is over. */
  async listening(): Promise<void> {
    const connected = () => this.here.log.all.some(({ msg }) => msg === 'bus connection changed')
    let over = false
    void this.ended.then(() => {
      over = true
    })
    for (let look = 0; look < 100 && !over && !connected(); look += 1) await sleep(5)
  }
}
