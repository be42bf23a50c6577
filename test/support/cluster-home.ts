import { accessSync, constants, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const MEMORY = '/dev/shm'
const TMPFS = 0x01021994
/** What clusters of a few runs side by side may take. */
const ROOM_BYTES = 4 * 1024 ** 3

/** Every directory that clusters may stand in. */
export function clusterHomes(): string[] {
  return isMemory(0) ? [MEMORY, tmpdir()] : [tmpdir()]
}

/**
 * Where a new cluster goes: into memory where there is room, since a database is made by copying some 300 files, twenty times
 * slower on a busy disk. One that must be durable goes to the disk.
 */
export function clusterHome({ durable }: { durable: boolean }): string {
  return !durable && isMemory(ROOM_BYTES) ? MEMORY : tmpdir()
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
