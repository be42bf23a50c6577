import type { createOperations } from '../../src/context.ts'
import { StopError } from '../../src/errors.ts'
import type { Step } from '../../src/step.ts'
import { openHere } from '../e2e/daemon.ts'
import type { LogLines } from '../e2e/log-lines.ts'
import type { Living, Work } from './living.ts'

/** What every effect of somebody dead ends in. */
export class Dead extends Error {}

/** The build of the program that is put to the test: what is here, or a broken one. */
export interface Build {
  readonly createOperations: typeof createOperations
  readonly StopError: typeof StopError
}

export interface MortalOptions {
  readonly file: string
  readonly set: readonly string[]
  readonly work: Work
  /** what befalls it at its steps */
  readonly faults?: Step
  readonly build?: Build | undefined
  /** it dies at the first step of which this says so */
  readonly diesAt?: (name: string) => boolean
}

/** A process, as far as effects go: from the step on at which it dies none of its effects happens any more. */
export class Mortal implements Living {
  readonly log: LogLines
  readonly ended: Promise<unknown>
  readonly #life: { left: number; dead: boolean }
  readonly #stop: (code: string) => void

  static async start({ file, set, work, faults, build, diesAt }: MortalOptions): Promise<Mortal> {
    const life = { left: Number.POSITIVE_INFINITY, dead: false }
    const stopping = new AbortController()
    const Stop = build?.StopError ?? StopError
    const stop = (code: string): void => stopping.abort(new Stop(code, 'stopped'))
    const step: Step = (name, detail) => {
      life.left -= 1
      if (!life.dead && diesAt?.(name) === true) life.left = -1
      if (life.left < 0) {
        life.dead = true
        // What listens for it ends; none of that can have an effect any more.
        if (!stopping.signal.aborted) setImmediate(() => stop('TEST_KILLED'))
      }
      if (life.dead) throw new Dead(name)
      const gate = faults?.(name, detail)
      if (gate === undefined) return undefined
      return gate.then(() => {
        if (life.dead) throw new Dead(name)
      })
    }
    const here = await openHere({
      file,
      set,
      step,
      ...(build === undefined ? {} : { create: build.createOperations }),
    })
    const ended = work(here.operations, stopping.signal)
      .then(
        () => null,
        (error: unknown) => error,
      )
      .then(async (error) => {
        // Its connections break, whatever was open is rolled back.
        await here.operations.destroy().catch(() => {})
        here.log.end()
        return life.dead ? null : error
      })
    return new Mortal(here.log, ended, life, stop)
  }

  private constructor(
    log: LogLines,
    ended: Promise<unknown>,
    life: { left: number; dead: boolean },
    stop: (code: string) => void,
  ) {
    this.log = log
    this.ended = ended
    this.#life = life
    this.#stop = stop
  }

  get wasKilled(): boolean {
    return this.#life.dead
  }

  dieIn(steps: number): void {
    this.#life.left = steps
  }

  kill(): Promise<unknown> {
    this.#life.left = 0
    this.#life.dead = true
    this.#stop('TEST_KILLED')
    return this.ended
  }

  stop(): Promise<unknown> {
    this.#stop('STOPPED_BY_TEST')
    return this.ended
  }
}
