import { asError } from '../../errors.ts'
import { printable } from '../../model/printable.ts'
import { type DatagramSender, openDatagrams } from './unix-datagrams.ts'

/** A start that makes progress may take this much longer, each time it says so. */
const EXTEND_MS = 120_000
/** Progress of a start is told this often at most. */
const EXTEND_EVERY_MS = 15_000
/** Of the watchdog's time passes between two signs of life at most, as long as there is progress. */
const WATCHDOG_SHARE = 1 / 4
/** When whoever reads is behind. */
const AGAIN_MS = 100

export interface ServiceManagerOptions {
  readonly sender: DatagramSender
  /** without a sign of life for so long the service is killed; null: no watchdog */
  readonly watchdogMs: number | null
  readonly onFailure: (error: Error) => void
  /** CLOCK_MONOTONIC in microseconds, as systemd compares it */
  readonly monotonicUsec?: () => bigint
}

/**
 * Whoever started this process and watches it, spoken to as sd_notify(3) says. Nothing here waits or throws: what cannot be told is
 * told to `onFailure`, once.
 */
export class ServiceManager {
  readonly #options: ServiceManagerOptions
  readonly #usec: () => bigint
  #pending: string[] = []
  #timer: NodeJS.Timeout | undefined
  #failed = false
  #ready = false
  #paused = false
  #status = ''
  #lastProgressUsec: bigint | null = null

  constructor(options: ServiceManagerOptions) {
    this.#options = options
    this.#usec = options.monotonicUsec ?? (() => process.hrtime.bigint() / 1000n)
  }

  /** Null: nobody who wants to be told started this process. */
  static async find(
    env: Readonly<Record<string, string | undefined>>,
    onFailure: (error: Error) => void,
  ): Promise<ServiceManager | null> {
    const address = env.NOTIFY_SOCKET
    if (address === undefined || address === '') return null
    try {
      const sender = await openDatagrams(address)
      return new ServiceManager({ sender, watchdogMs: watchdogOf(env), onFailure })
    } catch (error) {
      onFailure(asError(error))
      return null
    }
  }

  /** The start (or the reading of another configuration) is over; what is done from now on is watched. */
  ready(): void {
    const { watchdogMs } = this.#options
    this.#ready = true
    this.#lastProgressUsec = this.#usec()
    const back = this.#paused && watchdogMs !== null ? `\nWATCHDOG_USEC=${watchdogMs * 1000}` : ''
    this.#paused = false
    this.#send(`READY=1${back}${watchdogMs === null ? '' : '\nWATCHDOG=1'}`)
  }

  /** The configuration is read again; `ready` ends it. */
  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${this.#usec()}`)
  }

  /** There will be no sign of life for so long, since what turns is made anew; until `ready`. */
  pausing(ms: number): void {
    const { watchdogMs } = this.#options
    if (watchdogMs === null) return
    this.#paused = true
    this.#send(`WATCHDOG_USEC=${(watchdogMs + ms) * 1000}\nWATCHDOG=1`)
  }

  stopping(): void {
    this.#send('STOPPING=1')
  }

  /** One line for `systemctl status`. */
  status(text: string): void {
    const line = printable(text).replaceAll('\n', ' ')
    if (line === this.#status) return
    this.#status = line
    this.#send(`STATUS=${line}`)
  }

  /**
   * Something that is expected to turn has turned. If then `isWell`, that is told: called from the work itself and never from a timer,
   * it keeps the watchdog quiet just as long as there is progress.
   */
  progress(isWell: () => boolean): void {
    const { watchdogMs } = this.#options
    const everyMs = this.#ready ? (watchdogMs ?? 0) * WATCHDOG_SHARE : EXTEND_EVERY_MS
    if (this.#ready && watchdogMs === null) return
    const now = this.#usec()
    const last = this.#lastProgressUsec
    if ((last !== null && now - last < BigInt(Math.round(everyMs * 1000))) || !isWell()) return
    this.#lastProgressUsec = now
    this.#send(this.#ready ? 'WATCHDOG=1' : `EXTEND_TIMEOUT_USEC=${EXTEND_MS * 1000}`)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#options.sender.close()
  }

  #send(text: string): void {
    // What waits and is told anew needs not be told twice.
    this.#pending = [...this.#pending.filter((other) => nameOf(other) !== nameOf(text)), text]
    this.#flush()
  }

  #flush(): void {
    clearTimeout(this.#timer)
    try {
      for (let text = this.#pending[0]; text !== undefined; text = this.#pending[0]) {
        if (!this.#options.sender.send(text)) {
          this.#timer = setTimeout(() => this.#flush(), AGAIN_MS).unref()
          return
        }
        this.#pending.shift()
      }
    } catch (error) {
      this.#pending = []
      if (!this.#failed) this.#options.onFailure(asError(error))
      this.#failed = true
    }
  }
}

function nameOf(text: string): string {
  return text.slice(0, text.indexOf('='))
}

/** How long systemd waits for a sign of life, milliseconds; it may be meant for another process. */
function watchdogOf(env: Readonly<Record<string, string | undefined>>): number | null {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = env
  if (usec === undefined || !/^[1-9][0-9]{0,15}$/.test(usec)) return null
  if (pid !== undefined && pid !== String(process.pid)) return null
  return Math.ceil(Number(usec) / 1000)
}
