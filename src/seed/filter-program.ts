import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { asError, StopError, SyncError } from '../errors.ts'
import type { Step } from '../step.ts'

export interface FilterOptions {
  readonly program: string
  readonly args: readonly string[]
  /** what is missing without the program, as the end of "the program xz is needed to" */
  readonly purpose: string
  readonly signal: AbortSignal
  readonly step: Step
}

/** Said first of what a program complains of. */
const MAX_COMPLAINT = 2000

/**
 * Bytes through a program of this host (`xz -dc`), by its standard input and output; no shell. Throws SyncError
 * SEED_PROGRAM_MISSING naming it, SEED_DUMP_BROKEN with what it said when it fails, what the source threw, StopError.
 */
export async function* filterThrough(
  source: AsyncIterable<Buffer>,
  { program, args, purpose, signal, step }: FilterOptions,
): AsyncGenerator<Buffer> {
  await step('seed.spawn', { program })
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (bytes: Buffer) => {
    if (complaint.length < MAX_COMPLAINT) complaint += bytes.toString('utf8')
  })
  const ended = new Promise<string | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, by) => resolve(code === 0 ? null : (by ?? `exit ${code}`)))
  })
  ended.catch(() => {})
  let sourceError: Error | null = null
  const feed = Readable.from(source, { objectMode: false })
  feed.once('error', (error) => {
    sourceError = error
    child.kill()
  })
  // A program that ends early does not read on; that is told by how it ends.
  child.stdin.once('error', () => feed.destroy())
  feed.pipe(child.stdin)
  const stop = (): void => {
    child.kill()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const bytes of child.stdout) yield bytes as Buffer
    const failure = await ended
    if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
    if (sourceError !== null) throw sourceError
    if (failure !== null) {
      const said = complaint.trim().split('\n').slice(0, 3).join('; ')
      throw new SyncError('SEED_DUMP_BROKEN', `the dump cannot be read: ${program}: ${said || failure}`)
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw asError(error)
    throw new SyncError(
      'SEED_PROGRAM_MISSING',
      `the program ${program} is needed to ${purpose}, and this host does not have it`,
    )
  } finally {
    signal.removeEventListener('abort', stop)
    feed.destroy()
    child.kill()
  }
}
