import { accessSync, constants, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const MEMORY = '/dev/shm'
const TMPFS = 0x01021994
/** What the databases and trees of a few runs side by side may take. */
const ROOM_BYTES = 4 * 1024 ** 3

/** Every directory that `scratchHome` may have named. */
export function scratchHomes(): string[] {
  return isMemory(0) ? [MEMORY, tmpdir()] : [tmpdir()]
}

/**
 * Where databases and trees of tests go: into memory where there is room. A database is made by copying some 300 files, twenty
 * times slower on a busy disk, and placing files waits for many an fsync. Nothing may be executed there.
 */
export function scratchHome(): string {
  return isMemory(ROOM_BYTES) ? MEMORY : tmpdir()
}

function isMemory(freeBytes: number): boolean {
  try {
    accessSync(MEMORY, constants.W_OK | constants.X_OK)
    const { type, bavail, bsize } = statfsSync(MEMORY)
    return type === TMPFS && bavail * bsize >= freeBytes
  } catch {
    return false
  }
}
