import { maskValue } from '../model/secret.ts'
import type { Config } from './config.ts'
import { findDatabaseServer } from './database-server.ts'

/** The configuration for a log line: a plain copy without secrets. */
export function describeConfig(config: Config): Record<string, unknown> {
  return maskValue(config) as Record<string, unknown>
}

/** What an operator should be told at each start: settings that weaken a promise. */
export function findCautions(config: Config): string[] {
  const { prod, bus, catchUp } = config
  const cautions: string[] = []
  if (!bus.fedmsg.validateSignatures) {
    cautions.push('messages are taken without checking their signatures (bus.fedmsg.validate_signatures)')
  } else if (bus.fedmsg.endpoints.length > 0) cautions.push(...findTrustCautions(bus.fedmsg))
  const { url, validateSignatures } = bus.datagrepper
  if (url !== null && (url.startsWith('http:') || !validateSignatures)) {
    const what = url.startsWith('http:') ? 'without TLS' : 'without checking signatures'
    cautions.push(`messages are taken from datagrepper ${what} (bus.datagrepper)`)
  }
  if (bus.fedmsg.endpoints.length === 0) {
    cautions.push('no bus: changes are found by catch-up alone (bus.fedmsg.endpoints)')
  }
  if (prod.hub.startsWith('http:')) {
    cautions.push("prod's hub is asked without TLS: whoever is between can change its answers (prod.hub)")
  }
  const { host, parameters } = findDatabaseServer(config.staging.database)
  const isNear = host === null || ['localhost', '127.0.0.1', '::1'].includes(host)
  if (!isNear && config.staging.caFile === null && parameters.get('sslmode') !== 'verify-full') {
    cautions.push(
      "staging's database is reached without making sure that it is the right one (staging.ca_file)",
    )
  }
  if (prod.allowWritableMount) {
    cautions.push("prod's tree may be writable here (prod.allow_writable_mount)")
  }
  if (catchUp.overlapMs < FIVE_HOURS_MS) {
    cautions.push(
      'changes of prod that become visible late can be missed until a reconcile (catch_up.overlap_seconds)',
    )
  }
  return cautions
}

function findTrustCautions({ ca, crl, policyFile }: Config['bus']['fedmsg']): string[] {
  const cautions: string[] = []
  if (ca?.startsWith('http:') === true) {
    cautions.push("the bus's CA is fetched without TLS: whoever is between can replace it (bus.fedmsg.ca)")
  }
  if (crl === null) cautions.push('revoked certificates are taken for good (bus.fedmsg.crl)')
  if (policyFile === null) {
    cautions.push('everybody whom the CA knows may announce everything (bus.fedmsg.policy_file)')
  }
  return cautions
}

// Transactions of koji hubs were seen open for 5 hours; an event's id is taken at their start.
const FIVE_HOURS_MS = 5 * 3_600_000
