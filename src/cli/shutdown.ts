import { StopError } from '../errors.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/**
 * Runs `work` with a signal that the first SIGTERM or SIGINT aborts (its reason is a StopError). The second one ends the process
 * at once, the way it would have ended without us.
 */
export async function withSignals<T>(
  onSignal: (name: string) => void,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const remove = (): void => {
    for (const name of SIGNALS) process.off(name, handle)
  }
  const handle = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      remove()
      process.kill(process.pid, name)
      return
    }
    onSignal(name)
    controller.abort(new StopError('STOPPED_BY_SIGNAL', `stopped by ${name}`, { detail: { signal: name } }))
  }
  for (const name of SIGNALS) process.on(name, handle)
  try {
    return await work(controller.signal)
  } finally {
    remove()
  }
}
