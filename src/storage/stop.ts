import { StopError } from '../errors.ts'

/** Throws StopError once what was asked for is given up: between two pieces of work, so that nothing is left half. */
export function assertWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new StopError('STOPPED', 'bringing files was given up')
}
