import type { VerifyReason } from '../../model/verify-reasons.ts'

/** Who may send what: the common names for each topic, whole. */
export type RoutingPolicy = ReadonlyMap<string, ReadonlySet<string>>

/**
 * Whether a sender may use a topic (fedmsg/crypto/utils.py `validate_policy`): names are compared exactly. A topic that is
 * not listed is free for everyone, or with `nitpicky` for nobody. null: it may.
 */
export function judgePolicy(
  policy: RoutingPolicy,
  nitpicky: boolean,
  topic: string,
  commonName: string,
): VerifyReason | null {
  const senders = policy.get(topic)
  if (senders !== undefined) return senders.has(commonName) ? null : 'policy'
  return nitpicky ? 'nitpicky' : null
}
