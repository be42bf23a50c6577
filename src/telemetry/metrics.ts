import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { DRIFT_KINDS } from '../model/drift.ts'
import { CLASH_STATES, PARTS, PRUNED, type QueueSample, ZERO_LABELS } from './labels.ts'

/** Wire times and database times are milliseconds, a cold hub takes seconds, an outage minutes. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]

/** Distinct reasons that a counter keeps; those after that count as `other`. */
const MAX_REASONS = 200

export interface MetricsOptions {
  readonly version: string
  /** The metrics of the process itself (memory, event loop); off in tests that compare whole pages. */
  readonly processMetrics?: boolean
}

/**
 * Every metric, defined here and nowhere else. All of them exist from the start, at zero, for every label value that is known
 * beforehand; no label grows with builds, tags or messages. Base units; timestamps are seconds since 1970.
 */
export class Metrics {
  readonly registry = new Registry()
  readonly version: string

  readonly messages = this.#counter('messages_total', 'Messages of the bus, by what became of them', [
    'topic',
    'outcome',
  ])
  readonly refused = this.#counter('messages_refused_total', 'Messages that were refused, by reason', [
    'reason',
  ])
  readonly busLastMessage = this.#gauge(
    'bus_last_message_timestamp_seconds',
    'When a message last came from the bus',
  )
  readonly busConnected = this.#gauge('bus_connected_endpoints', 'Endpoints of the bus that are connected')

  readonly trustReads = this.#counter(
    'trust_reads_total',
    'Readings of what messages are checked against, by file (ca, crl) and outcome',
    ['file', 'outcome'],
  )
  readonly crlNextUpdate = this.#gauge(
    'crl_next_update_timestamp_seconds',
    'When the revocation list in use ends, and with it all that the bus tells; 0: no list',
  )

  readonly keys = this.#counter('keys_total', 'Keys that were worked on, by how it ended', [
    'kind',
    'outcome',
  ])
  readonly convergeSeconds = this.#histogram('converge_seconds', 'Time to make one key equal', ['kind'])
  readonly rows = this.#counter('rows_written_total', 'Rows that were written to staging, by kind of key', [
    'kind',
  ])
  readonly lagSeconds = this.#histogram('lag_seconds', 'From the message that came to the commit in staging')
  readonly clashes = this.#gauge('clashes', 'Clashes that stand, by what policy decided', ['state'])

  readonly queueKeys = this.#gauge(
    'queue_keys',
    'Keys in the queue: ready (live, sweep), waiting, claimed, parked',
    ['state'],
  )
  readonly queueOldest = this.#gauge(
    'queue_oldest_seconds',
    'Age of the oldest mark that is due; parked ones aside',
  )
  readonly queueMeasured = this.#gauge(
    'queue_measured_timestamp_seconds',
    'When the numbers of the queue were last read',
  )
  readonly breakerOpen = this.#gauge('breaker_open', '1 while work waits for a part that is down', ['part'])
  readonly writingStopped = this.#gauge('writing_stopped', '1 once all writing has stopped for safety')
  readonly outages = this.#counter('outages_total', 'How often a part was found to be down', ['part'])

  readonly hubRequests = this.#counter('hub_requests_total', "Requests to prod's hub, by outcome", [
    'outcome',
  ])
  readonly hubCalls = this.#counter('hub_calls_total', "Calls in requests to prod's hub")
  readonly hubSeconds = this.#histogram('hub_request_seconds', "How long prod's hub took to answer a request")
  readonly hubBytes = this.#counter('hub_bytes_total', "Bytes of prod's hub's answers")

  readonly catchUpRequested = this.#counter(
    'catchup_requested_total',
    'Catch-ups that were asked for, by reason',
    ['reason'],
  )
  readonly catchUpLastAttempt = this.#gauge(
    'catchup_last_attempt_timestamp_seconds',
    'When catch-up last began',
  )
  readonly catchUpLastSuccess = this.#gauge(
    'catchup_last_success_timestamp_seconds',
    'When catch-up last ended well',
  )
  readonly catchUpCursor = this.#gauge(
    'catchup_cursor_event',
    "prod's event up to which its history was read",
  )
  readonly catchUpKeys = this.#counter('catchup_keys_total', 'Keys that catch-up marked')

  readonly reconcileLastSuccess = this.#gauge(
    'reconcile_last_success_timestamp_seconds',
    'When a comparison of everything last ended well, whoever made it; 0: never',
  )
  readonly missed = this.#counter(
    'missed_total',
    'Differences that reconcile found and nobody had told of, by kind',
    ['kind'],
  )

  readonly scrubBuilds = this.#counter('scrub_builds_total', 'Builds that the scrub has looked at whole')
  readonly scrubMissed = this.#counter(
    'scrub_missed_total',
    'Differences that the scrub found and nobody had told of, by kind',
    ['kind'],
  )
  readonly scrubFailed = this.#counter('scrub_failed_total', 'Builds that the scrub could not read or judge')
  readonly scrubRate = this.#gauge(
    'scrub_planned_builds_per_second',
    'How fast the scrub goes to be done within scrub.days',
  )
  readonly scrubLastPass = this.#gauge(
    'scrub_last_pass_timestamp_seconds',
    'When the scrub last came to the end of all builds',
  )

  readonly pruned = this.#counter('pruned_rows_total', 'Old records of our own that were removed', ['what'])

  readonly #buildInfo = this.#gauge('build_info', 'Always 1; the labels tell what runs', ['version', 'node'])
  readonly #reasons = new Set<string>()

  constructor(options: MetricsOptions) {
    this.version = options.version
    if (options.processMetrics !== false) collectDefaultMetrics({ register: this.registry, prefix: PREFIX })
    this.#buildInfo.set({ version: options.version, node: process.versions.node }, 1)
    this.#zero()
  }

  /** The page that Prometheus reads. */
  page(): Promise<string> {
    return this.registry.metrics()
  }

  /** A reason as a label value; after too many different ones `other`. */
  reasonLabel(reason: string): string {
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(reason)
    return this.#reasons.has(reason) ? reason : 'other'
  }

  setQueue(sample: QueueSample): void {
    this.queueKeys.set({ state: 'live' }, sample.ready.live)
    this.queueKeys.set({ state: 'sweep' }, sample.ready.sweep)
    this.queueKeys.set({ state: 'waiting' }, sample.waiting)
    this.queueKeys.set({ state: 'claimed' }, sample.claimed)
    this.queueKeys.set({ state: 'parked' }, sample.parked)
    this.queueOldest.set(sample.oldestSeconds)
    this.queueMeasured.setToCurrentTime()
  }

  #zero(): void {
    const {
      topics,
      messageOutcomes,
      kinds,
      keyOutcomes,
      hubOutcomes,
      queueStates,
      refusals,
      trustFiles,
      trustOutcomes,
      catchUpReasons,
    } = ZERO_LABELS
    for (const topic of topics)
      for (const outcome of messageOutcomes) this.messages.inc({ topic, outcome }, 0)
    for (const reason of refusals) this.refused.inc({ reason: this.reasonLabel(reason) }, 0)
    for (const file of trustFiles) {
      for (const outcome of trustOutcomes) this.trustReads.inc({ file, outcome }, 0)
    }
    for (const kind of kinds) {
      for (const outcome of keyOutcomes) this.keys.inc({ kind, outcome }, 0)
      this.convergeSeconds.zero({ kind })
      this.rows.inc({ kind }, 0)
    }
    for (const outcome of hubOutcomes) this.hubRequests.inc({ outcome }, 0)
    for (const state of queueStates) this.queueKeys.set({ state }, 0)
    for (const state of CLASH_STATES) this.clashes.set({ state }, 0)
    for (const reason of catchUpReasons) this.catchUpRequested.inc({ reason }, 0)
    for (const kind of DRIFT_KINDS) {
      this.missed.inc({ kind }, 0)
      this.scrubMissed.inc({ kind }, 0)
    }
    for (const what of PRUNED) this.pruned.inc({ what }, 0)
    for (const part of PARTS) {
      this.breakerOpen.set({ part }, 0)
      this.outages.inc({ part }, 0)
    }
  }

  #counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] })
  }

  #gauge<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name: PREFIX + name, help, labelNames, registers: [this.registry] })
  }

  #histogram<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({
      name: PREFIX + name,
      help,
      labelNames,
      buckets: SECONDS,
      registers: [this.registry],
    })
  }
}

const PREFIX = 'kojisync_'
