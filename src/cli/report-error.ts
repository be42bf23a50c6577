import { asError, ConfigError, OutageError, type Part, SafetyError, SyncError } from '../errors.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'

const PART_HINTS: Readonly<Record<Part, string>> = {
  hub: 'is prod.hub right and up? `koji-staging-sync doctor` looks at it',
  database: 'is staging.database right and up? `koji-staging-sync doctor` looks at it',
  storage: 'are prod.topdir and staging.topdir mounted? `koji-staging-sync doctor` looks at them',
  space: 'make room in staging.topdir, or look at `koji-staging-sync prune`; see copy.reserve_bytes',
  bus: 'are bus.fedmsg.endpoints right? `koji-staging-sync doctor` looks at them',
}

/** `error CODE: message`, one hint, and with `debug` the stacks. Secrets are masked. */
export function errorText(thrown: unknown, options: { readonly debug: boolean }): string {
  const error = asError(thrown)
  const code = error instanceof SyncError ? error.code : 'INTERNAL'
  const [first = '', ...more] = maskText(error.message).split('\n')
  const lines = [`error ${code}: ${printable(first)}`, ...more.map(printable)]
  const hint = hintOf(error)
  if (hint !== null) lines.push(`hint: ${hint}`)
  if (options.debug) lines.push(...stacksOf(error))
  return lines.map((line) => `${line}\n`).join('')
}

function hintOf(error: Error): string | null {
  if (error instanceof ConfigError) {
    return '`koji-staging-sync options` shows every setting, `options --example` a whole file'
  }
  if (error instanceof SafetyError) return 'nothing was written; a person must look before it goes on'
  if (error instanceof OutageError) {
    return error.code === 'DATABASE_AUTH'
      ? 'check the user of staging.database and staging.database_password_file'
      : PART_HINTS[error.part]
  }
  return error instanceof SyncError ? null : 'this should not happen; --debug shows where it did'
}

function stacksOf(error: Error): string[] {
  const lines: string[] = []
  let current: unknown = error
  for (let depth = 0; current instanceof Error && depth < 5; depth++) {
    const [head = '', ...frames] = maskText(current.stack ?? String(current)).split('\n')
    lines.push(`${depth === 0 ? '' : 'caused by '}${printable(head)}`, ...frames.map(printable))
    current = current.cause
  }
  return lines
}
