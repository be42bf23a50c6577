import type { Worker } from 'node:worker_threads'
import type { Step } from '../step.ts'
import { receiveError } from './crew-errors.ts'
import { Lane, startPackaged } from './crew-lane.ts'
import { type PumpJob, pump } from './pump.ts'
import { copySmallFiles, SMALL_BYTES, type SmallDone, type SmallJob } from './small-files.ts'
import { driveSteps } from './system-calls.ts'

/** Who reads, judges and copies bytes that lie on a disk of ours. Throws FileError, and what `Verifier` throws. */
export interface Copier {
  /** Small files, many at once. */
  run(job: SmallJob): Promise<SmallDone>
  /** One file; see `pump`. */
  pump(job: PumpJob, onBytes: (bytes: number) => void): Promise<number | null>
}

/** Behind the step seam, in this thread: for tests, and where the program runs from its sources. */
export class SteppedCopier implements Copier {
  readonly #step: Step
  constructor(step: Step) {
    this.#step = step
  }

  run(job: SmallJob): Promise<SmallDone> {
    return driveSteps(copySmallFiles(job, Buffer.allocUnsafe(SMALL_BYTES + 1)), this.#step)
  }

  pump(job: PumpJob, onBytes: (bytes: number) => void): Promise<number | null> {
    return driveSteps(pump(job, Buffer.allocUnsafe(SMALL_BYTES), onBytes), this.#step)
  }
}

/**
 * Threads, started when needed, in which the calls are made without a turn of the event loop between them: that turn costs more than a
 * small file; and of large ones each has a core to judge it. They share the process' open files, and its fate: none keeps it alive.
 * A large file holds its thread for seconds, so small ones have others.
 */
export class ThreadCrew implements Copier {
  readonly #small: Lane
  readonly #large: Lane

  /** So many for each. `start`: of a thread that runs `crew-thread.ts`. */
  constructor(size: number, start: () => Worker = startPackaged) {
    this.#small = new Lane(size, start)
    this.#large = new Lane(size, start)
  }

  async run(small: SmallJob): Promise<SmallDone> {
    const answer = await this.#small.run({ small }, () => {})
    if (answer.error !== null) throw receiveError(answer.error)
    return answer.done as SmallDone
  }

  async pump(job: PumpJob, onBytes: (bytes: number) => void): Promise<number | null> {
    const answer = await this.#large.run({ pump: job }, onBytes)
    if (answer.error !== null) throw receiveError(answer.error)
    return answer.done as number | null
  }
}
