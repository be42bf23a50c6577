import { type Logger, pino, stdSerializers } from 'pino'
import { SyncError } from '../errors.ts'
import { maskText, maskValue } from '../model/secret.ts'
import { formatLine } from './readable.ts'

export type Log = Logger
type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

export interface LogOptions {
  readonly level: LogLevel
  /** One JSON object a line; the same with the priority before it, which journald takes off; or lines for people. */
  readonly form: 'json' | 'journal' | 'readable'
  /** Where complete lines go (with their line break). */
  readonly write: (line: string) => void
  /** Stacks of errors too; always in JSON. */
  readonly stacks?: boolean
}

/** syslog's priorities, as sd-daemon(3) has them before a line. */
const PRIORITIES: Readonly<Record<string, string>> = {
  fatal: '<2>',
  error: '<3>',
  warn: '<4>',
  info: '<6>',
  debug: '<7>',
  trace: '<7>',
}

/** The log. Passwords are masked in every field and message, whoever logs. */
export function createLog(options: LogOptions): Log {
  const readable = options.form === 'readable'
  // pino begins each line with its level.
  const prefix = (line: string): string =>
    options.form === 'journal' ? (PRIORITIES[/^\{"level":"(\w+)"/.exec(line)?.[1] ?? ''] ?? '<6>') : ''
  const write = (line: string): void =>
    options.write(readable ? formatLine(line, { stacks: options.stacks === true }) : prefix(line) + line)
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => maskValue(withErrors(fields)) as Record<string, unknown>,
      },
      serializers: { err: (value: unknown) => value },
      hooks: {
        logMethod(args, method) {
          const masked = args.map((arg) => (typeof arg === 'string' ? maskText(arg) : arg))
          return method.apply(this, masked as Parameters<typeof method>)
        },
      },
    },
    { write },
  )
}

function withErrors(fields: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    value instanceof Error ? errorFields(value) : value,
  ])
  return Object.fromEntries(entries)
}

/** An error as fields: code and detail of ours, the causes as one text. */
function errorFields(error: Error): Record<string, unknown> {
  const plain = stdSerializers.err(error)
  const own = error instanceof SyncError ? { code: error.code, detail: error.detail } : {}
  return { type: error.name, message: plain.message, ...own, stack: plain.stack }
}
