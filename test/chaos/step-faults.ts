import { constants } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Step } from '../../src/step.ts'

export type Errno = 'ENOSPC' | 'EIO' | 'ESTALE' | 'EROFS' | 'EACCES' | 'EDQUOT' | 'EMFILE'

interface DiskFault {
  readonly side: 'prod' | 'staging'
  readonly errno: Errno
  /** only calls that change something */
  readonly writesOnly: boolean
  left: number
}

const WRITES =
  /^file\.(mkdir|symlink|lchown|chmod|rename|unlink|rmdir|sync|create|pwrite|fchown|fchmod|futimes|clone|link)$/

/** What befalls processes of ours at their steps: the disk fails or is slow, a connection is cut just before a statement. */
export class StepFaults {
  #disk: DiskFault | null = null
  #slow = { left: 0, ms: 0 }
  #cut: { left: number; readonly act: () => Promise<void>; readonly wait: boolean } | null = null

  readonly step: Step = (name, detail) => {
    if (name.startsWith('file.')) return this.#file(name, detail?.side)
    if (!name.startsWith('sql.')) return undefined
    const cut = this.#cut
    if (cut === null) return undefined
    cut.left -= 1
    if (cut.left >= 0) return undefined
    this.#cut = null
    const cutting = cut.act()
    // Without waiting the statement may be sent, run, or be answered before.
    return cut.wait ? cutting : undefined
  }

  /** The next calls on a tree fail so, until `left` of them did or `heal`. */
  disk(fault: DiskFault): void {
    this.#disk = fault
  }

  slow(left: number, ms: number): void {
    this.#slow = { left, ms }
  }

  /** After so many statements `act` cuts connections. */
  cutAfter(left: number, act: () => Promise<void>, wait: boolean): void {
    this.#cut = { left, act, wait }
  }

  heal(): void {
    this.#disk = null
    this.#slow = { left: 0, ms: 0 }
    this.#cut = null
  }

  #file(name: string, side: unknown): undefined | Promise<void> {
    const disk = this.#disk
    if (disk !== null && disk.side === side && (!disk.writesOnly || WRITES.test(name))) {
      disk.left -= 1
      if (disk.left <= 0) this.#disk = null
      throw errnoError(disk.errno)
    }
    if (this.#slow.left <= 0) return undefined
    this.#slow.left -= 1
    return sleep(this.#slow.ms)
  }
}

/** As Node raises it: those that it has no name for come as a number only. */
function errnoError(errno: Errno): Error {
  const number = { ESTALE: 116, EDQUOT: 122 }[errno as string] ?? constants.errno[errno as 'EIO']
  const isNamed = errno !== 'ESTALE' && errno !== 'EDQUOT'
  return Object.assign(new Error(`${errno}: by the test`), {
    errno: -number,
    ...(isNamed ? { code: errno } : {}),
  })
}
