import { z } from 'zod'

/** Ids of Koji's tables are `SERIAL`, four bytes (koji schema.sql); none is 0 where a message can name it. */
export const kojiId = z.int().min(1).max(2_147_483_647)

/** Names in bytes of UTF-8; also keeps a key of two percent-encoded names below a btree's limit of 2,704. */
const MAX_NAME_BYTES = 255

/** C0, DEL, C1, the line and paragraph separators, and halves of surrogate pairs (no UTF-8 can hold those). */
const FORBIDDEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}/]/u

/**
 * Whether a message may use this text as the name of a tag, package, version, release or arch. Such names go into
 * keys, and later into paths and statements.
 *
 * Stricter than `RegexNameInternal` and `MaxNameLengthInternal` of a default hub (kojixmlrpc.py: 256 characters of
 * `[A-Za-z0-9/_.+-]`) in refusing `/`, looser in admitting what older hubs did. What a tag with a `/` gets
 * announced is found by catch-up.
 */
export function isPossibleName(text: string): boolean {
  return text !== '' && !FORBIDDEN.test(text) && Buffer.byteLength(text) <= MAX_NAME_BYTES
}

export const kojiName = z.string().refine(isPossibleName, { params: { reason: 'name' } })

/** May be null, and may be absent: the eras differ. */
export function maybe<T extends z.ZodType>(type: T): z.ZodOptional<z.ZodNullable<T>> {
  return type.nullable().optional()
}

/** A JSON object, its members not looked at. */
export const anyObject = z.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)

/** A JSON array, its elements not looked at. */
export const anyArray = z.custom<readonly unknown[]>(Array.isArray)

/**
 * The first thing that is wrong, as a stable reason that names the member: `field:build_id`, `field:rpm.name` for
 * a wrong or missing value, `name:package` for a text that cannot be a name.
 */
export function reasonOf(error: z.ZodError): string {
  const issue = error.issues[0]
  const kind = issue?.code === 'custom' && issue.params?.reason === 'name' ? 'name' : 'field'
  return `${kind}:${issue?.path.map(String).join('.') ?? ''}`
}
