import { gpgVerifier } from '../bus/signature/gpg.ts'
import { readPolicyFile } from '../bus/signature/policy-file.ts'
import { Refused } from '../bus/signature/refused.ts'
import { TrustStore, type TrustStoreOptions } from '../bus/signature/trust-store.ts'
import { judgeUnchecked } from '../bus/signature/unchecked.ts'
import { Verifier } from '../bus/signature/verifier.ts'
import type { Trust } from '../bus/x509/trust.ts'
import type { Config } from '../config/config.ts'
import { asError, ConfigError } from '../errors.ts'
import type { JudgeMessage, JudgeOptions } from '../model/judged-message.ts'
import type { Check } from '../model/operations.ts'
import type { Step } from '../step.ts'
import { type Telemetry, trustChanged, trustRead } from '../telemetry/events.ts'

/** A list that ends sooner than this is worth a warning: with it ends all that the bus tells. */
const CRL_WARNING_SECONDS = 7 * 86_400

/** What checks messages; null when that is turned off. Throws ConfigError BUS_POLICY, BUS_CA_MISSING. */
export function createVerifier(config: Config, telemetry: Telemetry, step: Step): Verifier | null {
  const { validateSignatures, nitpicky, backends } = config.bus.fedmsg
  if (!validateSignatures) return null
  return new Verifier({
    trusted: createTrustStore(config, step, {
      onRead: (read) => trustRead(telemetry, read),
      onTrust: (crlNextUpdate) => trustChanged(telemetry, crlNextUpdate),
    }),
    policy: readPolicy(config),
    nitpicky,
    backends,
  })
}

/** The same without a configuration, for messages from anywhere. Throws ConfigError BUS_POLICY. */
export function createJudge(options: JudgeOptions, step: Step): JudgeMessage {
  const { ca, crl, policyFile, nitpicky, backends, gpgHome } = options
  if (!options.validateSignatures) return async ({ path, body }) => judgeUnchecked(path, body)
  const policy = policyFile === null ? new Map() : readPolicyFile(policyFile, '--policy')
  const trusted = new TrustStore({ ca, crl, step, onRead: () => {} })
  const verifyGpg = gpgHome === null ? undefined : gpgVerifier(gpgHome)
  const verifier = new Verifier({ trusted, policy, nitpicky, backends, verifyGpg })
  return ({ topic, body, path }) =>
    path === 'bus' ? verifier.verify(topic, body) : verifier.verifyDatagrepper(body)
}

/** What `doctor` says of signatures: turned off, or whether CA, list and policy can be used now. */
export async function checkSignatures(config: Config, step: Step): Promise<Check> {
  const name = 'bus.signatures'
  const { validateSignatures, endpoints } = config.bus.fedmsg
  if (endpoints.length === 0) return { name, status: 'ok', message: 'no bus, nothing to check', todo: null }
  if (!validateSignatures) {
    return {
      name,
      status: 'warn',
      message: 'not checked: messages are taken from everybody',
      todo: 'set bus.fedmsg.ca, and bus.fedmsg.validate_signatures to true',
    }
  }
  try {
    const policy = readPolicy(config)
    const trust = await createTrustStore(config, step, { onRead: () => {} }).current()
    return judge(name, trust, policy.size)
  } catch (error) {
    return {
      name,
      status: 'fail',
      message: messageOf(asError(error)),
      todo: 'see bus.fedmsg.ca, crl, policy_file',
    }
  }
}

function judge(name: string, trust: Trust, topics: number): Check {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const problem = trust.problem(nowSeconds)
  if (problem !== null) {
    return {
      name,
      status: 'fail',
      message: `no message can be accepted: ${problem}`,
      todo: 'see bus.fedmsg.ca, crl',
    }
  }
  const { crl } = trust
  const until = crl?.nextUpdate ?? null
  const list = crl === null ? 'no revocation list' : `${crl.size} revoked`
  const end = until === null ? '' : ` (list until ${new Date(until * 1000).toISOString().slice(0, 10)})`
  const message = `CA ${trust.ca.commonName ?? 'without a name'}, ${list}${end}, ${topics} topics with a policy`
  const ending = until !== null && until - nowSeconds < CRL_WARNING_SECONDS
  return ending
    ? {
        name,
        status: 'warn',
        message,
        todo: 'see that the revocation list is renewed: when it ends, no message counts',
      }
    : { name, status: 'ok', message, todo: null }
}

function createTrustStore(
  config: Config,
  step: Step,
  told: Pick<TrustStoreOptions, 'onRead' | 'onTrust'>,
): TrustStore {
  const { ca, crl } = config.bus.fedmsg
  if (ca === null)
    throw new ConfigError('BUS_CA_MISSING', 'bus.fedmsg.ca is missing: messages are checked against it')
  return new TrustStore({ ca, crl, step, ...told })
}

function readPolicy({ bus }: Config): ReturnType<typeof readPolicyFile> {
  const { policyFile } = bus.fedmsg
  return policyFile === null ? new Map() : readPolicyFile(policyFile, 'bus.fedmsg.policy_file')
}

function messageOf(error: Error): string {
  const cause = error instanceof Refused && error.cause instanceof Error ? error.cause : error
  return cause.message
}
