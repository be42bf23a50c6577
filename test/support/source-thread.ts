import { Worker } from 'node:worker_threads'

/** A thread of `ThreadCrew` from the sources, which Node must be taught to read. */
export function startSourceThread(): Worker {
  const source = new URL('../../src/storage/small-thread.ts', import.meta.url).href
  const start = `import('tsx/esm/api').then((tsx) => (tsx.register(), import(${JSON.stringify(source)})))`
  return new Worker(start, { eval: true })
}
