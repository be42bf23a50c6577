/** What a thread of `ThreadVolumePlacer` runs: one list of builds after the other, answered by the ids of those that were not plain. */
import { parentPort, workerData } from 'node:worker_threads'
import { type BulkBuild, VolumeBulk, type VolumeBulkOptions } from './volume-bulk.ts'

const bulk = new VolumeBulk(workerData as VolumeBulkOptions)
parentPort?.on('message', (builds: readonly BulkBuild[]) => parentPort?.postMessage(bulk.place(builds)))
