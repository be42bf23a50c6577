import type { FileHandle } from 'node:fs/promises'
import type { CopyOptions } from './copy-file.ts'
import { newStop, type PumpJob } from './pump.ts'
import { assertWanted } from './stop.ts'
import type { Expected } from './verify-bytes.ts'

type PumpOptions = Pick<CopyOptions, 'copier' | 'onTaken' | 'signal'>

/** Has a file judged, and copied where `to` is. Gives back its size. */
export async function pumped(
  { copier, onTaken, signal }: PumpOptions,
  from: PumpJob['from'],
  to: PumpJob['to'],
  named: string,
  expected: Expected,
): Promise<bigint> {
  const stop = newStop()
  const onAbort = (): void => void Atomics.store(stop, 0, 1)
  assertWanted(signal)
  signal?.addEventListener('abort', onAbort)
  try {
    const size = await copier.pump({ from, to, named, expected, stop }, to === null ? () => {} : onTaken)
    assertWanted(signal)
    if (size === null) throw new Error('unreachable: nobody has asked it to stop')
    return BigInt(size)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Judges the bytes of an open file of staging's, from its beginning. Gives back its size. `named`: as errors name it. */
export function judge(
  options: Omit<PumpOptions, 'onTaken'>,
  handle: FileHandle,
  shown: string,
  expected: Expected,
  named = shown,
): Promise<bigint> {
  const from = { fd: handle.fd, side: 'staging', shown } as const
  return pumped({ ...options, onTaken: () => {} }, from, null, named, expected)
}
