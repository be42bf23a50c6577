import { Worker } from 'node:worker_threads'
import { asError, OutageError } from '../errors.ts'
import type { Answer, Order, Said } from './crew-thread.ts'

interface Waiting {
  readonly order: Order
  readonly onBytes: (bytes: number) => void
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/** A thread that nobody needed for so long ends. */
const IDLE_MS = 10_000

/** Jobs of one kind, and the threads that take them, in the order of asking. */
export class Lane {
  readonly #size: number
  readonly #startThread: () => Worker
  readonly #waiting: Waiting[] = []
  readonly #idle: Thread[] = []
  #started = 0

  /** `start`: of a thread that runs `crew-thread.ts`. */
  constructor(size: number, start: () => Worker) {
    this.#size = size
    this.#startThread = start
  }

  /** Throws OutageError where there is no thread to be had. */
  run(order: Order, onBytes: (bytes: number) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ order, onBytes, resolve, reject })
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
      thread.run(waiting.order, waiting.onBytes).then(
        (answer) => {
          this.#idle.push(thread)
          thread.rest(() => this.#end(thread))
          waiting.resolve(answer)
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

  run(order: Order, onBytes: (bytes: number) => void): Promise<Answer> {
    clearTimeout(this.#timer)
    const worker = this.#worker
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        worker.unref()
        end()
      }
      const onMessage = (said: Said): void => {
        if ('bytes' in said) onBytes(said.bytes)
        else settle(() => resolve(said))
      }
      const onError = (error: unknown): void => settle(() => reject(error))
      const onExit = (code: number): void =>
        settle(() => reject(new Error(`a copying thread ended with code ${code}`)))
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      worker.ref()
      worker.postMessage(order)
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
export function startPackaged(): Worker {
  return new Worker(new URL('./crew-thread.js', import.meta.url))
}
