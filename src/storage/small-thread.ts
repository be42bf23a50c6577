/** What a thread of `ThreadCrew` runs: one job after the other, each answered. */
import { parentPort } from 'node:worker_threads'
import { type SentError, sendError } from './small-errors.ts'
import { copySmallFiles, SMALL_BYTES, type SmallDone, type SmallJob } from './small-files.ts'
import { drive } from './system-calls.ts'

export type Answer =
  | { readonly done: SmallDone; readonly error: null }
  | { readonly done: null; readonly error: SentError }

const buffer = Buffer.allocUnsafe(SMALL_BYTES + 1)
parentPort?.on('message', (job: SmallJob) => parentPort?.postMessage(answer(job)))

function answer(job: SmallJob): Answer {
  try {
    return { done: drive(copySmallFiles(job, buffer)), error: null }
  } catch (error) {
    return { done: null, error: sendError(error) }
  }
}
