import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { RoutingPolicy } from '../../src/bus/signature/policy.ts'
import { readPolicyFile } from '../../src/bus/signature/policy-file.ts'
import { TrustStore } from '../../src/bus/signature/trust-store.ts'
import { type Backend, Verifier } from '../../src/bus/signature/verifier.ts'
import { noStep } from '../../src/step.ts'

export const SIGNED = join(import.meta.dirname, '..', 'fixtures', 'fedmsg-signed')

/** A message of the fixtures, and what the reference says of it. */
export interface Vector {
  readonly name: string
  readonly config: string
  readonly path: 'bus' | 'datagrepper'
  readonly wire_topic: string
  readonly wire_body: string
  readonly expect: 'valid' | 'invalid'
}

interface VectorConfig {
  readonly backends: readonly Backend[]
  readonly ca: string
  readonly crl: string | null
  readonly policy: string | null
  readonly nitpicky: boolean
  readonly validate_signatures?: boolean
}

export const VECTORS = parseLines<Vector>(
  gunzipSync(readFileSync(join(SIGNED, 'vectors.jsonl.gz'))).toString(),
)
export const CONFIGS = JSON.parse(text('configs.json')) as Record<string, VectorConfig>

export function text(name: string): string {
  return readFileSync(join(SIGNED, name), 'utf8')
}

export function parseLines<T>(lines: string): T[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T)
}

/** A verifier as one of the configurations of the vectors says. */
export function verifierOf(config: VectorConfig): Verifier {
  const path = (name: string): string => join(SIGNED, 'pki', name)
  const policy: RoutingPolicy =
    config.policy === null ? new Map() : readPolicyFile(join(SIGNED, config.policy), 'policy')
  const crl = config.crl === null ? null : path(config.crl)
  return new Verifier({
    trusted: new TrustStore({ ca: path(config.ca), crl, step: noStep, onRead: () => {} }),
    policy,
    nitpicky: config.nitpicky,
    backends: config.backends,
  })
}
