/** What a thread of `ThreadCrew` runs: one job after the other, each answered. */
import { parentPort } from 'node:worker_threads'
import { noStep } from '../step.ts'
import { type SentError, sendError } from './crew-errors.ts'
import { type PumpJob, pump } from './pump.ts'
import { copySmallFiles, SMALL_BYTES, type SmallDone, type SmallJob } from './small-files.ts'
import { drive, driveSteps } from './system-calls.ts'

/** A job that has many files, or one. */
export type Order = { readonly small: SmallJob } | { readonly pump: PumpJob }

/** What comes back: the answer, and before it how many bytes have passed since it was told last. */
export type Answer =
  | { readonly done: SmallDone | number | null; readonly error: null }
  | { readonly done: null; readonly error: SentError }
export type Said = Answer | { readonly bytes: number }

const buffer = Buffer.allocUnsafe(SMALL_BYTES + 1)
const tell = (said: Said): void => parentPort?.postMessage(said)
parentPort?.on('message', (order: Order) => {
  answer(order).then(
    (done) => tell({ done, error: null }),
    (error: unknown) => tell({ done: null, error: sendError(error) }),
  )
})

async function answer(order: Order): Promise<SmallDone | number | null> {
  if ('small' in order) return drive(copySmallFiles(order.small, buffer))
  const work = pump(order.pump, buffer, (bytes) => tell({ bytes }))
  return driveSteps(work, noStep)
}
