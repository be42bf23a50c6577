/**
 * Error classes, chosen by what the caller does next:
 *
 * | class         | whose fault            | what follows                                             |
 * | ------------- | ---------------------- | -------------------------------------------------------- |
 * | `KeyError`    | the key's own          | counts against the key: backoff, then parked             |
 * | `AgainError`  | nobody's, a race       | observe again at once, counts nothing                    |
 * | `OutageError` | hub, database, disk    | opens the breaker of that part, counts nothing           |
 * | `FenceError`  | somebody else's claim  | roll back, forget the claim                              |
 * | `SafetyError` | the world looks wrong  | all writing stops, exit 14                               |
 * | `ConfigError` | the operator's file    | nothing starts, exit 78                                  |
 * | `StopError`   | nobody's, a shutdown   | the work is given back                                   |
 */
export type Detail = Readonly<Record<string, unknown>>

export interface ErrorOptions {
  readonly detail?: Detail
  readonly cause?: unknown
}

/** Base of all errors that we raise. `code` is stable; values go into `detail`, never secrets. */
export class SyncError extends Error {
  override name = 'SyncError'
  readonly code: string
  readonly detail: Detail
  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.detail = options.detail ?? {}
  }
}

export class KeyError extends SyncError {
  override name = 'KeyError'
}

export class AgainError extends SyncError {
  override name = 'AgainError'
}

/** A part of the world that is down for everybody; `space`: for everybody who needs room on staging's disk. */
export type Part = 'hub' | 'database' | 'storage' | 'bus' | 'space'

export class OutageError extends SyncError {
  override name = 'OutageError'
  readonly part: Part
  constructor(part: Part, code: string, message: string, options: ErrorOptions = {}) {
    super(code, message, options)
    this.part = part
  }
}

export class FenceError extends SyncError {
  override name = 'FenceError'
}

export class SafetyError extends SyncError {
  override name = 'SafetyError'
}

export class ConfigError extends SyncError {
  override name = 'ConfigError'
}

export class StopError extends SyncError {
  override name = 'StopError'
}

/** The process' exit codes: an interface. */
export const EXIT = {
  ok: 0,
  error: 1,
  usage: 2,
  drift: 3,
  held: 4,
  bus: 10,
  hub: 11,
  database: 12,
  storage: 13,
  safety: 14,
  config: 78,
} as const

/** The exit code that an error that ends the process stands for. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof StopError) return EXIT.ok
  if (error instanceof ConfigError) return EXIT.config
  if (error instanceof SafetyError) return EXIT.safety
  if (error instanceof OutageError) return EXIT[error.part === 'space' ? 'storage' : error.part]
  return EXIT.error
}

/** Whatever was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
