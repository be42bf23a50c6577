import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { asError, ConfigError } from '../../errors.ts'
import type { RoutingPolicy } from './policy.ts'

const policySchema = z.record(z.string(), z.array(z.string()))

/**
 * fedmsg's `routing_policy` as a JSON file: the common names for each topic. Throws ConfigError BUS_POLICY; `setting` is where the
 * path comes from.
 */
export function readPolicyFile(path: string, setting: string): RoutingPolicy {
  const fail = (what: string, cause?: unknown): ConfigError =>
    new ConfigError('BUS_POLICY', `${setting}: ${path} ${what}`, { detail: { path }, cause })
  let json: unknown
  try {
    json = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw fail(`cannot be read: ${asError(error).message}`, error)
  }
  const policy = policySchema.safeParse(json)
  if (!policy.success) {
    const at = policy.error.issues[0]?.path.map(String).join(': ') ?? ''
    throw fail(`must be {"topic": ["common name", ...], ...}${at === '' ? '' : `; ${at} is not`}`)
  }
  return new Map(Object.entries(policy.data).map(([topic, names]) => [topic, new Set(names)]))
}
