import { Worker } from 'node:worker_threads'

/** A thread from the sources, which Node must be taught to read: of `ThreadCrew`, or of another file of `src/storage`. */
export function startSourceThread(file = 'crew-thread', workerData?: unknown): Worker {
  const source = new URL(`../../src/storage/${file}.ts`, import.meta.url).href
  const start = `import('tsx/esm/api').then((tsx) => (tsx.register(), import(${JSON.stringify(source)})))`
  return new Worker(start, { eval: true, workerData })
}
