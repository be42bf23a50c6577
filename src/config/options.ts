import type { z } from 'zod'
import type { Loaded } from './option.ts'
import { FILES } from './options/files.ts'
import { PLACES } from './options/places.ts'
import { SEED } from './options/seed.ts'
import { SERVICE } from './options/service.ts'
import type { TABLES } from './options/tables.ts'
import { WORK } from './options/work.ts'

/**
 * Every setting, once. The file (TOML), the environment (`KOJI_STAGING_SYNC_PROD_HUB`), `--set`, the help and
 * the example file all come from this table. Names carry their unit.
 */
export const OPTIONS = { ...PLACES, ...FILES, ...WORK, ...SEED, ...SERVICE } as const

/** All settings after loading, by section, named as in the file. */
export type Settings = {
  readonly [S in keyof typeof OPTIONS]: {
    readonly [N in keyof (typeof OPTIONS)[S]]: Loaded<(typeof OPTIONS)[S][N]>
  }
} & { readonly [T in keyof typeof TABLES]: z.output<(typeof TABLES)[T]['type']> }
