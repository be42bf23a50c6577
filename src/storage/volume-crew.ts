import { Worker } from 'node:worker_threads'
import { asError, OutageError } from '../errors.ts'
import type { Step } from '../step.ts'
import { type BulkBuild, VolumeBulk, type VolumeBulkOptions } from './volume-bulk.ts'

/** Places plain builds; answers with the ids of the others. */
export interface VolumePlacer {
  place(builds: readonly BulkBuild[]): Promise<readonly number[]>
}

/** In this thread, a few at a time, behind the step seam: for tests, and where the program runs from its sources. */
export class SteppedVolumePlacer implements VolumePlacer {
  readonly #bulk: VolumeBulk
  readonly #step: Step

  constructor(options: VolumeBulkOptions, step: Step) {
    this.#bulk = new VolumeBulk(options)
    this.#step = step
  }

  async place(builds: readonly BulkBuild[]): Promise<readonly number[]> {
    const others: number[] = []
    for (let at = 0; at < builds.length; at += AT_A_TIME) {
      const some = builds.slice(at, at + AT_A_TIME)
      await new Promise(setImmediate)
      for (const { buildId } of some) await this.#step('volume.bulk', { buildId })
      others.push(...this.#bulk.place(some))
    }
    return others
  }
}

/** Builds between two turns of the event loop. */
const AT_A_TIME = 50

/** In threads of their own, so that nobody waits for the disk meanwhile. They keep no process alive. */
export class ThreadVolumePlacer implements VolumePlacer {
  readonly #threads: readonly Thread[]

  /** `start`: of a thread that runs `volume-thread.ts`. */
  constructor(options: VolumeBulkOptions, size: number, start = startPackaged) {
    this.#threads = Array.from({ length: size }, () => new Thread(start(options)))
  }

  async place(builds: readonly BulkBuild[]): Promise<readonly number[]> {
    const shares = sharesOf(builds, this.#threads.length)
    const ends = await Promise.allSettled(this.#threads.map((thread, n) => thread.place(shares[n] ?? [])))
    return ends.flatMap((end) => {
      if (end.status === 'rejected') throw end.reason
      return end.value
    })
  }
}

/** Builds of one package together: their directories are the same. */
function sharesOf(builds: readonly BulkBuild[], size: number): BulkBuild[][] {
  const shares: BulkBuild[][] = Array.from({ length: size }, () => [])
  const places = new Map<string, number>()
  for (const { buildId, name, version, release, prodVolume, stagingVolume } of builds) {
    const at = places.get(name) ?? places.size % size
    places.set(name, at)
    shares[at]?.push({ buildId, name, version, release, prodVolume, stagingVolume })
  }
  return shares
}

class Thread {
  readonly #worker: Worker
  #ended: string | null = null

  constructor(worker: Worker) {
    this.#worker = worker
    worker.unref()
    worker.on('error', () => {}).on('exit', (code) => (this.#ended = `code ${code}`))
  }

  place(builds: readonly BulkBuild[]): Promise<readonly number[]> {
    const worker = this.#worker
    if (this.#ended !== null) return Promise.reject(ended(this.#ended))
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        worker.off('message', onMessage).off('error', onError).off('exit', onExit)
        worker.unref()
        end()
      }
      const onMessage = (others: readonly number[]): void => settle(() => resolve(others))
      const onError = (error: unknown): void => settle(() => reject(ended(asError(error).message)))
      const onExit = (code: number): void => settle(() => reject(ended(`code ${code}`)))
      worker.on('message', onMessage).on('error', onError).on('exit', onExit)
      worker.ref()
      worker.postMessage(builds)
    })
  }
}

function ended(how: string): OutageError {
  return new OutageError('storage', 'STORAGE_DISK', `the thread that places links ended: ${how}`)
}

/** What is beside this file in the package. */
function startPackaged(options: VolumeBulkOptions): Worker {
  return new Worker(new URL('./volume-thread.js', import.meta.url), { workerData: options })
}
