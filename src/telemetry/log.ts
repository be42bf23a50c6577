import { type Logger, pino, stdSerializers } from 'pino'
import { SyncError } from '../errors.ts'
import { maskText, maskValue } from '../model/secret.ts'
import { formatLine } from './readable.ts'

export type Log = Logger
type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error'

export interface LogOptions {
  readonly level: LogLevel
  /** One JSON object a line, or lines for people. */
  readonly form: 'json' | 'readable'
  /** Where complete lines go (with their line break). */
  readonly write: (line: string) => void
  /** Stacks of errors too; always in JSON. */
  readonly stacks?: boolean
}

/** The log. Passwords are masked in every field and message, whoever logs. */
export function createLog(options: LogOptions): Log {
  const readable = options.form === 'readable'
  const write = (line: string): void =>
    options.write(readable ? formatLine(line, { stacks: options.stacks === true }) : line)
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
