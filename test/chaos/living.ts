import type { Operations } from '../../src/model/operations.ts'
import type { LogLines } from '../e2e/log-lines.ts'

/** What a process of ours does until it is told to stop. */
export type Work = (operations: Operations, signal: AbortSignal) => Promise<void>

/** A daemon or a command that can be killed: in this process as far as effects go, or in one of its own. */
export interface Living {
  readonly log: LogLines
  /** How it ended, once nothing of it is left: null in order or killed, else what it failed with. */
  readonly ended: Promise<unknown>
  readonly wasKilled: boolean
  /** It dies at its so manieth step from now. */
  dieIn(steps: number): void
  /** At once. */
  kill(): Promise<unknown>
  stop(): Promise<unknown>
}

/** Until the bus is connected, or it has ended, or a moment is over. */
export async function listening(living: Living): Promise<void> {
  const connected = () => living.log.all.some(({ msg }) => msg === 'bus connection changed')
  let over = false
  void living.ended.then(() => {
    over = true
  })
  for (let look = 0; look < 100 && !over && !connected(); look += 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
}
