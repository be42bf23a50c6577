import type { Part } from '../errors.ts'
import { DATABASE_ERRORS } from '../model/error-help/database.ts'
import { HUB_ERRORS } from '../model/error-help/hub.ts'
import { KEY_ERRORS } from '../model/error-help/keys.ts'
import { STORAGE_ERRORS } from '../model/error-help/storage.ts'
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

/** What became of one call in a request. `failed`: the request did not get its answers. */
export type CallOutcome = 'ok' | 'fault' | 'failed'

export const PARTS: readonly Part[] = ['hub', 'database', 'storage', 'bus', 'space']

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

const CALL_OUTCOMES: Record<CallOutcome, true> = { ok: true, fault: true, failed: true }

const HUB_OUTCOMES: Record<HubOutcome, true> = { ok: true, fault: true, outage: true, aborted: true }

/** Label values that are known beforehand: their series exist from the start, so that a rate is never missing. */
export const ZERO_LABELS = {
  topics: [...TOPIC_NAMES, 'unknown'] satisfies TopicLabel[],
  messageOutcomes: Object.keys(MESSAGE_OUTCOMES) as MessageOutcomeLabel[],
  kinds: Object.keys(KINDS) as KeyKind[],
  keyOutcomes: Object.keys(KEY_OUTCOMES) as KeyOutcome[],
  hubOutcomes: Object.keys(HUB_OUTCOMES) as HubOutcome[],
  callOutcomes: Object.keys(CALL_OUTCOMES) as CallOutcome[],
  /** what parks a key is one of the errors that are explained to people */
  parkedCodes: [KEY_ERRORS, HUB_ERRORS, STORAGE_ERRORS, DATABASE_ERRORS].flatMap((errors) =>
    Object.keys(errors),
  ),
  hubCodes: Object.keys(HUB_ERRORS),
  cursors: ['history', 'builds', 'staging-history'],
  copyModes: ['copy', 'in-place'],
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

/** The label value of what a closed list does not have. */
export const OTHER = 'other'
/** A request of several calls that are not all of one method. */
export const MULTICALL = 'multiCall'
