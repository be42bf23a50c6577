import { BUS_ERRORS } from './bus.ts'
import { CONFIG_ERRORS } from './config.ts'
import { DATABASE_ERRORS } from './database.ts'
import type { ErrorHelp, ErrorHelps } from './entry.ts'
import { FINDING_ERRORS } from './finding.ts'
import { HUB_ERRORS } from './hub.ts'
import { KEY_ERRORS } from './keys.ts'
import { PROGRAM_ERRORS } from './program.ts'
import { SEED_ERRORS } from './seed.ts'
import { STORAGE_ERRORS } from './storage.ts'

/** Every error code, by the part that it is of: what `help errors` and docs/errors.md are made from. */
export const ERROR_HELP: readonly { readonly title: string; readonly errors: ErrorHelps }[] = [
  { title: 'Configuration', errors: CONFIG_ERRORS },
  { title: 'The bus', errors: BUS_ERRORS },
  { title: "Prod's hub", errors: HUB_ERRORS },
  { title: "Staging's database", errors: DATABASE_ERRORS },
  { title: 'File trees', errors: STORAGE_ERRORS },
  { title: 'Single keys, and races', errors: KEY_ERRORS },
  { title: 'Catch-up, reconcile, scrub, event', errors: FINDING_ERRORS },
  { title: 'Seed', errors: SEED_ERRORS },
  { title: 'The program', errors: PROGRAM_ERRORS },
]

/** undefined: there is no such code. */
export function errorHelpOf(code: string): ErrorHelp | undefined {
  return ERROR_HELP.map(({ errors }) => (Object.hasOwn(errors, code) ? errors[code] : undefined)).find(
    (help) => help !== undefined,
  )
}
