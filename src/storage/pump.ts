import { fdatasync, readSync, writeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Side } from './errno.ts'
import { call, type FileWork } from './system-calls.ts'
import { type Expected, Verifier } from './verify-bytes.ts'

/** What is read at a time stays in a core's own cache until it is judged and written: larger pieces take twice as long. */
const PIECE_BYTES = 256 * 1024
/** After so many bytes the disk is put to work, and who waits hears of it. */
const STRETCH_BYTES = 64 * 1024 * 1024

/** One file to judge, and perhaps to copy, from its beginning. Plain values: it may be sent to a thread, which has the same open files. */
export interface PumpJob {
  readonly from: { readonly fd: number; readonly side: Side; readonly shown: string }
  /** a new file; null: the bytes are judged only */
  readonly to: { readonly fd: number; readonly shown: string } | null
  /** how errors about the bytes name the file */
  readonly named: string
  readonly expected: Expected
  /** shared between threads; its first cell is no longer 0 when the file is not wanted any more */
  readonly stop: Int32Array
}

/** How to ask a job to end. */
export function newStop(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
}

/**
 * Reads a file once, judges it and writes it, piece by piece. Gives back its size; null: it was asked to stop. `onBytes` is told now and
 * then how many bytes have passed since it was told last. Throws FileError, and what `Verifier` throws.
 */
export function* pump(
  { from, to, named, expected, stop }: PumpJob,
  buffer: Buffer,
  onBytes: (bytes: number) => void,
): FileWork<number | null> {
  const verifier = new Verifier(named, expected)
  const room = buffer.subarray(0, PIECE_BYTES)
  const disk = to === null ? null : new WriteBack(to.fd)
  let position = 0
  let told = 0
  try {
    for (;;) {
      if (Atomics.load(stop, 0) !== 0) return null
      const read = () => readSync(from.fd, room, 0, room.length, position)
      const count = yield* call(from.side, 'pread', from.shown, read)
      if (count === 0) break
      const piece = room.subarray(0, count)
      // Judged before it is written; what is wrong only at the end is gone before anyone sees it.
      verifier.update(piece)
      if (to !== null) yield* call('staging', 'pwrite', to.shown, () => writeAll(to.fd, piece, position))
      position += count
      if (position - told < STRETCH_BYTES) continue
      onBytes(position - told)
      told = position
      if (to !== null) yield* call('staging', 'flush', to.shown, () => disk?.begin())
    }
    verifier.end()
    onBytes(position - told)
    return position
  } finally {
    // Whatever happened: the caller closes the file, and its number becomes another's.
    if (to !== null && disk?.isUsed === true) yield* call('staging', 'flush', to.shown, () => disk.end())
  }
}

function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}

/**
 * Has a file's bytes go to the disk while more of them are read: else a large file waits in memory until all of it must be there at
 * once, and everybody else's writes behind it.
 */
class WriteBack {
  readonly #fd: number
  #running: Promise<void> | null = null
  #error: Error | null = null
  isUsed = false

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Never waits for the disk: while it is still at work, nothing more is asked of it. Throws what it said last. */
  async begin(): Promise<void> {
    this.isUsed = true
    // Whether it has ended is heard between two turns.
    await setImmediate()
    if (this.#error !== null) throw this.#error
    this.#running ??= new Promise((resolve) => {
      fdatasync(this.#fd, (error) => {
        this.#error = error
        this.#running = null
        resolve()
      })
    })
  }

  /** Waits for what was begun. Throws what the disk said: it says so once. */
  async end(): Promise<void> {
    await this.#running
    if (this.#error !== null) throw this.#error
  }
}
