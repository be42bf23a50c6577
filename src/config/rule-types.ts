import { z } from 'zod'
import { arch, pattern, plainText, regularExpression } from './field-types.ts'

/** The tables that may stand more than once. First the fields of each, with their help; then the types. */

const patterns = z.array(pattern).min(1)

/** What a tag's extra may hold: what JSON can. TOML's dates are not among it. */
const json: z.ZodType<unknown> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.array(json), z.record(z.string(), json)], {
    error: 'must be a value that JSON has: text, number, true or false, list, table',
  }),
)

const PLACEMENT_MODES = ['volume', 'farm', 'copy', 'in-place'] as const

export const PLACEMENT_FIELDS = {
  tags: { type: patterns.optional(), help: 'Shell patterns of tags that the build is in; absent: any.' },
  packages: { type: patterns.optional(), help: 'Shell patterns of package names; absent: any.' },
  btypes: {
    type: z.array(plainText).min(1).optional(),
    help: 'Build types (rpm, maven, image, module, ...); absent: any.',
  },
  mode: {
    type: z.enum(PLACEMENT_MODES),
    help: `How files stand in staging: ${PLACEMENT_MODES.join(', ')}.`,
  },
} as const

export const EXTERNAL_REPO_REWRITE_FIELDS = {
  match: { type: regularExpression, help: 'Regular expression that is searched for in the URL.' },
  replace: { type: z.string(), help: 'What takes its place; $1 is the first group.' },
} as const

export const TAG_REWRITE_FIELDS = {
  tags: { type: patterns, help: 'Shell patterns of the tags that this rule is for.' },
  arches: { type: z.array(arch).optional(), help: 'Arches to keep, of those that prod has; absent: all.' },
  extra: {
    type: z.record(plainText, json).optional(),
    help: 'Extra keys to set. A key with a dot needs quotes: "repo.auto" = false.',
  },
  remove_extra: { type: z.array(plainText).min(1).optional(), help: 'Extra keys to leave out.' },
} as const

export const PRINCIPAL_REWRITE_FIELDS = {
  match: {
    type: regularExpression,
    help: 'Regular expression that is searched for in a Kerberos principal.',
  },
  replace: { type: z.string(), help: 'What takes its place; $1 is the first group.' },
} as const

const names = z.array(plainText)

export const SEED_USER_FIELDS = {
  name: { type: plainText, help: 'Koji user; made where prod has none of that name.' },
  permissions: { type: names.optional(), help: 'Permissions, as "admin"; absent: none.' },
  content_generators: { type: names.optional(), help: 'Content generators that it may import for.' },
  principals: { type: names.optional(), help: 'Kerberos principals, beside those that rules made.' },
} as const

export const SEED_HOST_FIELDS = {
  name: { type: plainText, help: "Builder of staging's; one of prod's of that name becomes it." },
  arches: { type: z.array(arch).min(1), help: 'Arches that it builds for.' },
  channels: { type: names.optional(), help: 'Channels that it serves; absent: default.' },
  capacity: { type: z.number().min(0).max(10_000).optional(), help: 'Its capacity; absent: 2.' },
  principals: { type: names.optional(), help: 'Its Kerberos principals.' },
} as const

type Fields = Readonly<Record<string, { readonly type: z.ZodType; readonly help: string }>>

function table<F extends Fields>(fields: F) {
  type Shape = { [N in keyof F]: F[N]['type'] }
  const shape = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.type]))
  return z.array(z.strictObject(shape as Shape))
}

export const placements = table(PLACEMENT_FIELDS)
export const externalRepoRewrites = table(EXTERNAL_REPO_REWRITE_FIELDS)
export const tagRewrites = table(TAG_REWRITE_FIELDS)
export const principalRewrites = table(PRINCIPAL_REWRITE_FIELDS)
export const seedUsers = table(SEED_USER_FIELDS)
export const seedHosts = table(SEED_HOST_FIELDS)
