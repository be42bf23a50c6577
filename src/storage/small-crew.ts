import { Worker } from 'node:worker_threads'
import { asError, OutageError } from '../errors.ts'
import type { Step } from '../step.ts'
import { receiveError } from './small-errors.ts'
import { copySmallFiles, SMALL_BYTES, type SmallDone, type SmallJob } from './small-files.ts'
import type { Answer } from './small-thread.ts'
import { driveSteps } from './system-calls.ts'

/** Who copies small files. Throws FileError, and what `Verifier` throws. */
export interface SmallCopier {
  run(job: SmallJob): Promise<SmallDone>
}

/** Behind the step seam, in this thread: for tests, and where the program runs from its sources. */
export class SteppedCopier implements SmallCopier {
  readonly #step: Step
  constructor(step: Step) {
    this.#step = step
  }

  run(job: SmallJob): Promise<SmallDone> {
    return driveSteps(copySmallFiles(job, Buffer.allocUnsafe(SMALL_BYTES + 1)), this.#step)
  }
}

interface Waiting {
  readonly job: SmallJob
  readonly resolve: (done: SmallDone) => void
  readonly reject: (error: unknown) => void
}

/** A thread that nobody needed for so long ends. */
const IDLE_MS = 10_000

/**
 * Threads, started when needed, in which the calls are made without a turn of the event loop between them: that turn costs more than a
 * small file. They share the process' open files, and its fate: none keeps it alive.
 */
export class ThreadCrew implements SmallCopier {
  readonly #size: number
  readonly #startThread: () => Worker
  readonly #waiting: Waiting[] = []
  readonly #idle: Thread[] = []
  #started = 0

  /** `start`: of a thread that runs `small-thread.ts`. */
  constructor(size: number, start: () => Worker = startPackaged) {
    this.#size = size
    this.#startThread = start
  }

  run(job: SmallJob): Promise<SmallDone> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      this.#deal()
    })
  }

  #deal(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idle.pop() ?? this.#startOne()
      if (thread === undefined) return
      if (thread.ended) {
        this.#started--
        continue
      }
      const waiting = this.#waiting.shift() as Waiting
      thread.run(waiting.job).then(
        (answer) => {
          this.#idle.push(thread)
          thread.rest(() => this.#end(thread))
          if (answer.error === null) waiting.resolve(answer.done)
          else waiting.reject(receiveError(answer.error))
          this.#deal()
        },
        (error: unknown) => {
          this.#started--
          waiting.reject(error)
          this.#deal()
        },
      )
    }
  }

  /** Undefined: those that are under way take up what waits. */
  #startOne(): Thread | undefined {
    if (this.#started >= this.#size) return undefined
    try {
      const thread = new Thread(this.#startThread)
      this.#started++
      return thread
    } catch (error) {
      // A host that gives no thread now: who has none to wait for is told.
      if (this.#started === 0) for (const { reject } of this.#waiting.splice(0)) reject(noThread(error))
      return undefined
    }
  }

  #end(thread: Thread): void {
    const at = this.#idle.indexOf(thread)
    if (at < 0) return
    this.#idle.splice(at, 1)
    this.#started--
    thread.end()
  }
}

function noThread(cause: unknown): OutageError {
  const text = `no thread to copy files in can be started: ${asError(cause).message}`
  return new OutageError('storage', 'STORAGE_DISK', text, { cause })
}

class Thread {
  readonly #worker: Worker
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(start: () => Worker) {
    this.#worker = start()
    this.#worker.unref()
    this.#worker.on('exit', () => (this.#ended = true)).on('error', () => {})
  }

  get ended(): boolean {
    return this.#ended
  }

  run(job: SmallJob): Promise<Answer> {
    clearTimeout(this.#timer)
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        worker.unref()
        end()
      }
      const onMessage = (answer: Answer): void => settle(() => resolve(answer))
      const onError = (error: unknown): void => settle(() => reject(error))
      const onExit = (code: number): void =>
        settle(() => reject(new Error(`a copying thread ended with code ${code}`)))
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      worker.ref()
      worker.postMessage(job)
    })
  }

  rest(onIdle: () => void): void {
    this.#timer = setTimeout(onIdle, IDLE_MS)
    this.#timer.unref()
  }

  end(): void {
    void this.#worker.terminate()
  }
}

/** What is beside this file in the package. */
function startPackaged(): Worker {
  return new Worker(new URL('./small-thread.js', import.meta.url))
}
