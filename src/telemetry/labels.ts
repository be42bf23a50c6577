import type { Part } from '../errors.ts'
import type { KeyKind } from '../model/key.ts'
import type { Outcome } from '../model/outcome.ts'
import { TOPIC_NAMES, type TopicLabel } from '../model/topics.ts'
import { VERIFY_REASONS } from '../model/verify-reasons.ts'

/** How a key's round ended: an outcome, or an error's way. */
export type KeyOutcome = Outcome['kind'] | 'failed' | 'parked' | 'lost' | 'outage'

/** What became of a message; as the bus reports it. */
export type MessageOutcomeLabel = 'marked' | 'ignored' | 'duplicate' | 'refused'

/** How a request to the hub ended. `fault`: it answered, with a fault; `outage`: it did not, or not in XML-RPC. */
export type HubOutcome = 'ok' | 'fault' | 'outage' | 'aborted'

/** Why catch-up was asked for; what the bus tells, and more. */
export type CatchUpReason = (typeof ZERO_LABELS.catchUpReasons)[number]

/** What messages are checked against. */
export type TrustFile = 'ca' | 'crl'
export type TrustOutcome = 'changed' | 'unchanged' | 'failed'

/** Numbers of the queue; the shape of `QueueStats`. */
export interface QueueSample {
  readonly ready: { readonly live: number; readonly sweep: number }
  readonly waiting: number
  readonly claimed: number
  readonly parked: number
  readonly oldestSeconds: number
}

export const PARTS: readonly Part[] = ['hub', 'database', 'storage', 'bus']

// A record of all kinds, so that a new kind cannot be forgotten here.
const KINDS: Record<KeyKind, true> = {
  build: true,
  tag: true,
  package: true,
  tagged: true,
  target: true,
  'external-repo': true,
  lookup: true,
}

const KEY_OUTCOMES: Record<KeyOutcome, true> = {
  unchanged: true,
  applied: true,
  skipped: true,
  wait: true,
  held: true,
  again: true,
  failed: true,
  parked: true,
  lost: true,
  outage: true,
}

const MESSAGE_OUTCOMES: Record<MessageOutcomeLabel, true> = {
  marked: true,
  ignored: true,
  duplicate: true,
  refused: true,
}

const HUB_OUTCOMES: Record<HubOutcome, true> = { ok: true, fault: true, outage: true, aborted: true }

/** Label values that are known beforehand: their series exist from the start, so that a rate is never missing. */
export const ZERO_LABELS = {
  topics: [...TOPIC_NAMES, 'unknown'] satisfies TopicLabel[],
  messageOutcomes: Object.keys(MESSAGE_OUTCOMES) as MessageOutcomeLabel[],
  kinds: Object.keys(KINDS) as KeyKind[],
  keyOutcomes: Object.keys(KEY_OUTCOMES) as KeyOutcome[],
  hubOutcomes: Object.keys(HUB_OUTCOMES) as HubOutcome[],
  queueStates: ['live', 'sweep', 'waiting', 'claimed', 'parked'],
  refusals: [
    'frames',
    'size',
    'json',
    'not-an-object',
    'topic-mismatch',
    'environment',
    'other',
    ...VERIFY_REASONS.map((reason) => `verify:${reason}`),
  ],
  trustFiles: ['ca', 'crl'],
  trustOutcomes: ['changed', 'unchanged', 'failed'],
  catchUpReasons: ['connected', 'silence', 'overflow', 'unmarkable', 'interval'],
} as const

/** Records of ours that are removed when they are old. */
export const PRUNED = ['clashes', 'checkpoints'] as const
export type Pruned = (typeof PRUNED)[number]

/** What policy decided of a clash that stands. */
export const CLASH_STATES = ['held', 'prod-won', 'local-won'] as const
export type ClashState = (typeof CLASH_STATES)[number]
