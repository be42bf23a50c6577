import type { z } from 'zod'

/** One setting. Everything that is known of it stands here: file, environment, help text and example come from it. */
export interface Option<T = unknown> {
  /** Of the value as TOML gives it. */
  readonly type: z.ZodType<T>
  /** How an environment variable's text becomes that value: as it is, or read as a TOML value. */
  readonly form: 'text' | 'value' | 'list'
  /** undefined: must be given. null: not set, and that has a meaning of its own. */
  readonly default: T | null | undefined
  /** For operators: meaning, unit, what follows. One or two sentences. */
  readonly help: string
  /** A value to show where there is no default. */
  readonly example?: T
  /** Its value never stands in an error message, a log line or `status`. */
  readonly secret?: boolean
}

export type Section = Readonly<Record<string, Option>>

/** The value of an option after loading: null only where null is the default. */
export type Loaded<O> =
  O extends Option<infer T> ? (null extends O['default'] ? Exclude<T, undefined> | null : T) : never

interface Described<T> {
  readonly type: z.ZodType<T>
  readonly form?: Option['form']
  readonly help: string
  readonly example?: T
  readonly secret?: boolean
}

/** A setting that must be given. */
export function required<T>(option: Described<T> & { readonly example: T }) {
  return { form: 'text' as const, ...option, default: undefined }
}

/** A setting that may be left out, which means something of its own (told by its help). */
export function unset<T>(option: Described<T> & { readonly example: T }) {
  return { form: 'text' as const, ...option, default: null }
}

/** A setting with a default. */
export function option<T>(value: T, option: Described<T>) {
  return { form: 'value' as const, ...option, default: value as T }
}
