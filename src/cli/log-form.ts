import { fstatSync } from 'node:fs'
import type { LogOptions } from '../telemetry/log.ts'
import type { Surroundings } from './commands.ts'

/** For people on a terminal, with priorities where standard output is the journal, else plain JSON lines. */
export function logFormOf({ stdout, env }: Surroundings): LogOptions['form'] {
  if (stdout.isTTY === true) return 'readable'
  return stdout.fd !== undefined && isJournal(env.JOURNAL_STREAM, stdout.fd) ? 'journal' : 'json'
}

/** systemd.exec(5): device and inode of the stream that it made; it may be another one's by now (a redirection). */
function isJournal(stream: string | undefined, fd: number): boolean {
  if (stream === undefined) return false
  try {
    const { dev, ino } = fstatSync(fd)
    return stream === `${dev}:${ino}`
  } catch {
    return false
  }
}
