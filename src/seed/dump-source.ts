import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { request } from 'undici'
import { asError, StopError, SyncError } from '../errors.ts'
import { maskText } from '../model/secret.ts'
import type { Step } from '../step.ts'
import { type DumpFormat, FORMAT_BYTES, formatOf } from './dump-format.ts'
import { filterThrough } from './filter-program.ts'

export interface DumpOptions {
  /** a file, a directory (pg_dump's format `directory`), an http:// or https:// address, or `-` for standard input */
  readonly from: string
  readonly stdin: Readable
  readonly signal: AbortSignal
  readonly step: Step
}

/** A dump that is being read. */
export interface Dump {
  /** as given, a password in an address masked */
  readonly name: string
  /** what it is at the outside */
  readonly format: DumpFormat | 'directory'
  /** of the file or answer; null: nobody knows */
  readonly totalBytes: number | null
  /** of those, read so far */
  readBytes(): number
  /** its SQL, unpacked */
  readonly sql: AsyncIterable<Buffer>
  close(): void
}

const CHUNK = 1024 * 1024

/**
 * Opens a dump: plain SQL, or packed by gzip, xz, zstd or bzip2, or of pg_dump's formats custom, tar and directory, which
 * pg_restore turns into SQL. One packing inside of another (a custom dump in xz) is seen, too.
 *
 * Throws SyncError SEED_DUMP_UNREADABLE, SEED_DUMP_EMPTY; reading `sql` throws those of `filterThrough`.
 */
export async function openDump(options: DumpOptions): Promise<Dump> {
  const { from, signal, step } = options
  const name = maskText(from)
  await step('seed.open', { name })
  if (from !== '-' && !isAddress(from) && (await isDirectory(from))) {
    const sql = filterThrough(noBytes(), restoring(signal, step, ['--format=directory', from]))
    return { name, format: 'directory', totalBytes: null, readBytes: () => 0, sql, close: () => {} }
  }
  const { stream, totalBytes } = await openStream(options, name)
  let read = 0
  const bytes = readAll(stream, signal, name, (count) => {
    read += count
  })
  const { format, whole } = await peek(bytes)
  if (format === null) throw new SyncError('SEED_DUMP_EMPTY', `the dump ${name} is empty`)
  return {
    name,
    format,
    totalBytes,
    readBytes: () => read,
    sql: unpacked(whole, signal, step),
    close: () => stream.destroy(),
  }
}

/** Unpacks until it is SQL. */
async function* unpacked(
  packed: AsyncIterable<Buffer>,
  signal: AbortSignal,
  step: Step,
): AsyncGenerator<Buffer> {
  const { format, whole } = await peek(packed)
  if (format === null || format === 'plain') yield* whole
  else if (format === 'gzip') yield* unpacked(gunzipped(whole), signal, step)
  else if (format === 'custom' || format === 'tar') {
    yield* filterThrough(whole, restoring(signal, step, [`--format=${format}`]))
  } else {
    const purpose = `unpack a dump that ${format} packed`
    yield* unpacked(
      filterThrough(whole, { program: format, args: ['-dc'], purpose, signal, step }),
      signal,
      step,
    )
  }
}

/** pg_restore as a translator: it connects nowhere. */
function restoring(signal: AbortSignal, step: Step, args: readonly string[]) {
  return {
    program: 'pg_restore',
    args: ['--file=-', '--no-owner', '--no-privileges', ...args],
    purpose: "read a dump that is no plain SQL (it comes with PostgreSQL's client programs)",
    signal,
    step,
  }
}

async function* gunzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK })
  const feeding = (async () => {
    for await (const bytes of source) {
      if (gunzip.destroyed) return
      if (!gunzip.write(bytes))
        await new Promise((resolve) => gunzip.once('drain', resolve).once('close', resolve))
    }
    gunzip.end()
  })()
  feeding.catch((error: unknown) => gunzip.destroy(asError(error)))
  try {
    for await (const bytes of gunzip) yield bytes as Buffer
  } catch (error) {
    if (error instanceof SyncError) throw error
    throw new SyncError('SEED_DUMP_BROKEN', `the dump cannot be read: gzip: ${asError(error).message}`, {
      cause: error,
    })
  } finally {
    gunzip.destroy()
  }
}

/** What it is, and all of it again. `format` null: there are no bytes. */
async function peek(
  source: AsyncIterable<Buffer>,
): Promise<{ format: DumpFormat | null; whole: AsyncIterable<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < FORMAT_BYTES) {
    const next = await iterator.next()
    if (next.done === true) break
    head = Buffer.concat([head, next.value])
  }
  const whole = (async function* () {
    yield head
    yield* { [Symbol.asyncIterator]: () => iterator }
  })()
  return { format: head.length === 0 ? null : formatOf(head), whole }
}

async function* readAll(
  stream: Readable,
  signal: AbortSignal,
  name: string,
  onBytes: (count: number) => void,
): AsyncGenerator<Buffer> {
  const stop = (): void => {
    stream.destroy()
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    for await (const chunk of stream) {
      const bytes = chunk as Buffer
      onBytes(bytes.length)
      yield bytes
    }
  } catch (error) {
    if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
    throw unreadable(name, error)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function openStream(
  { from, stdin, signal }: DumpOptions,
  name: string,
): Promise<{ stream: Readable; totalBytes: number | null }> {
  if (from === '-') return { stream: stdin, totalBytes: null }
  try {
    if (isAddress(from)) {
      const { statusCode, headers, body } = await request(from, { signal })
      if (statusCode !== 200) {
        // It tells of its own end as of an error.
        body.on('error', () => {}).destroy()
        throw new Error(`the server answered ${statusCode}`)
      }
      const length = Number(headers['content-length'])
      return { stream: body, totalBytes: Number.isSafeInteger(length) && length > 0 ? length : null }
    }
    const { size } = await stat(from)
    return { stream: createReadStream(from, { highWaterMark: CHUNK }), totalBytes: size }
  } catch (error) {
    throw unreadable(name, error)
  }
}

function unreadable(name: string, error: unknown): SyncError {
  return new SyncError('SEED_DUMP_UNREADABLE', `the dump ${name} cannot be read: ${asError(error).message}`, {
    cause: error,
  })
}

function isAddress(text: string): boolean {
  return /^https?:\/\//i.test(text)
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

async function* noBytes(): AsyncGenerator<Buffer> {}
