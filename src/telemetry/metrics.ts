import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { MULTICALL, OTHER, ZERO_LABELS } from './labels.ts'
import { zeroMethod, zeroMetrics } from './zero-metrics.ts'

/** Wire times and database times are milliseconds, a cold hub takes seconds, an outage minutes. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600]

/** Distinct reasons that a counter keeps; those after that count as `other`. */
const MAX_REASONS = 200

export interface MetricsOptions {
  readonly version: string
  /** The metrics of the process itself (memory, event loop); off in tests that compare whole pages. */
  readonly processMetrics?: boolean
}

/** Messages that are not marked yet. */
export interface Pending {
  readonly messages: number
  /** since the first of them came */
  readonly oldestMs: number
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
  readonly busConfigured = this.#gauge(
    'bus_configured_endpoints',
    'Endpoints of the bus in the configuration; 0: there is none, changes are found by catch-up alone',
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
  readonly lagSeconds = this.#histogram(
    'lag_seconds',
    'From the mark in the queue that a message made (at once, but for bus_pending_messages) to the commit in staging',
  )
  readonly clashes = this.#gauge('clashes', 'Clashes that stand, by what policy decided', ['state'])

  readonly queueKeys = this.#gauge(
    'queue_keys',
    'Keys in the queue: ready, delayed (in backoff, or given back), relook (equal, looked at again since prod does not show what a message told), waiting (for other keys), claimed, parked; by priority',
    ['state', 'priority'],
  )
  readonly parkedKeys = this.#gauge('parked_keys', 'Parked keys by the code of what parked them', ['code'])
  readonly queueOldest = this.#gauge(
    'queue_oldest_seconds',
    'Age of the oldest mark that is due; parked ones aside',
  )
  readonly queueMeasured = this.#gauge(
    'queue_measured_timestamp_seconds',
    'When the numbers of the queue were last read',
  )
  readonly queueMarks = this.#counter('queue_marks_total', 'Keys that this daemon marked, by priority', [
    'priority',
  ])
  readonly queueClaims = this.#counter(
    'queue_claims_total',
    'Keys that this daemon took to work on them, by priority; fewer than marks: those met keys that waited already',
    ['priority'],
  )
  readonly queueLeasesExpired = this.#counter(
    'queue_leases_expired_total',
    'Claims that were taken over because their holder had let the lease end',
  )
  readonly queueExpectationsExpired = this.#counter(
    'queue_expectations_expired_total',
    'What messages told that prod had not shown ten minutes later',
  )
  readonly queueExpectationsDropped = this.#counter(
    'queue_expectations_dropped_total',
    'What messages told beyond what is kept for a key, or not fit to be kept',
  )
  readonly queueParkings = this.#counter(
    'queue_parkings_total',
    'Failures that parked a key, retries of parked ones included',
  )
  readonly breakerOpen = this.#gauge('breaker_open', '1 while work waits for a part that is down', ['part'])
  readonly writingStopped = this.#gauge('writing_stopped', '1 once all writing has stopped for safety')
  readonly outages = this.#counter('outages_total', 'How often a part was found to be down', ['part'])

  readonly hubRequests = this.#counter(
    'hub_requests_total',
    "Requests to prod's hub, by method (multiCall: of several) and outcome (fault: the one call was answered with a fault)",
    ['method', 'outcome'],
  )
  readonly hubRequestTime = this.#counter(
    'hub_requests_seconds_total',
    "Time that requests to prod's hub took, by method and outcome",
    ['method', 'outcome'],
  )
  readonly hubFailures = this.#counter(
    'hub_failures_total',
    "Requests to prod's hub that failed as a whole, by the code of the error",
    ['code'],
  )
  readonly hubCalls = this.#counter(
    'hub_calls_total',
    "Calls in requests to prod's hub, by method and outcome (failed: with the whole request)",
    ['method', 'outcome'],
  )
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
  readonly catchUpCursorTime = this.#gauge(
    'catchup_cursor_timestamp_seconds',
    "When the newest change was made that a source of catch-up has read, by prod's clock; quiet hours of prod make it old, too; 0: never read",
    ['source'],
  )
  readonly catchUpPause = this.#gauge(
    'catchup_pause_seconds',
    "Pause until the next catch-up: catch_up.interval_seconds, or more where prod's hub takes long",
  )
  readonly catchUpKeys = this.#counter('catchup_keys_total', 'Keys that catch-up marked')

  readonly convergeLastAttempt = this.#gauge(
    'converge_last_attempt_timestamp_seconds',
    'When a round of a key last ended, well or not',
  )
  readonly convergeLastSuccess = this.#gauge(
    'converge_last_success_timestamp_seconds',
    'When a key was last found equal, or made so',
  )

  readonly reconcileLastAttempt = this.#gauge(
    'reconcile_last_attempt_timestamp_seconds',
    'When this daemon last began a comparison of everything; 0: not since its start',
  )
  readonly reconcileLastSuccess = this.#gauge(
    'reconcile_last_success_timestamp_seconds',
    'When a comparison of everything last ended well, whoever made it; 0: never',
  )
  readonly drift = this.#gauge(
    'drift',
    'Differences of which nobody had told, found by the last comparison of everything, whoever made it, by kind',
    ['kind'],
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

  readonly copiedBytes = this.#counter(
    'copied_bytes_total',
    "Bytes that were copied from prod into staging's tree, by placement; what is shared by reflink or hard link is none",
    ['mode'],
  )
  readonly placementBuilds = this.#gauge(
    'placement_builds',
    'Builds whose files stand by each placement (placed), are on their way (intent), or are being taken away (removing)',
    ['mode', 'state'],
  )
  readonly placementBytes = this.#gauge(
    'placement_bytes',
    "Size of the files of placed builds, by placement; volume and farm lead to prod's own and take no space",
    ['mode'],
  )
  readonly placementMeasured = this.#gauge(
    'placement_measured_timestamp_seconds',
    'When the numbers of placements were last read',
  )
  readonly daemons = this.#gauge('daemons', 'Daemons that work on this staging now')

  readonly reloads = this.#counter(
    'config_reloads_total',
    'Configurations that were read again (SIGHUP), by outcome (applied, refused)',
    ['outcome'],
  )
  readonly reloadRefused = this.#gauge(
    'config_reload_refused',
    '1 while the configuration that was read last is not the one that is worked with: it was refused',
  )

  readonly pruned = this.#counter('pruned_rows_total', 'Old records of our own that were removed', ['what'])

  readonly #buildInfo = this.#gauge('build_info', 'Always 1; the labels tell what runs', ['version', 'node'])
  readonly #reasons = new Set<string>()
  #pendingOf: () => Pending = () => ({ messages: 0, oldestMs: 0 })
  readonly #methods = new Set([MULTICALL, OTHER])

  constructor(options: MetricsOptions) {
    this.version = options.version
    if (options.processMetrics !== false) collectDefaultMetrics({ register: this.registry, prefix: PREFIX })
    this.#readGauge(
      'bus_pending_messages',
      'Messages that wait in memory to be marked in the queue: those that come while the database is down',
      () => this.#pendingOf().messages,
    )
    this.#readGauge(
      'bus_pending_oldest_seconds',
      'How long ago the oldest message came that waits in memory; 0: none',
      () => this.#pendingOf().oldestMs / 1000,
    )
    this.#buildInfo.set({ version: options.version, node: process.versions.node }, 1)
    zeroMetrics(this)
    this.knowMethods(this.#methods)
  }

  /** The page that Prometheus reads. */
  page(): Promise<string> {
    return this.registry.metrics()
  }

  /** Where it is read what waits in memory. */
  watchPending(pendingOf: () => Pending): void {
    this.#pendingOf = pendingOf
  }

  /** A reason as a label value; after too many different ones `other`. */
  reasonLabel(reason: string): string {
    if (this.#reasons.size < MAX_REASONS) this.#reasons.add(reason)
    return this.#reasons.has(reason) ? reason : 'other'
  }

  /** The methods that prod's hub may be asked for; others count as `other`. */
  knowMethods(methods: Iterable<string>): void {
    for (const method of methods) {
      this.#methods.add(method)
      zeroMethod(this, method)
    }
  }

  /** A method of the hub as a label value. */
  methodLabel(method: string): string {
    return this.#methods.has(method) ? method : OTHER
  }

  /** The code of an error of the hub as a label value. */
  hubCodeLabel(code: string): string {
    return ZERO_LABELS.hubCodes.includes(code) ? code : OTHER
  }

  #counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.registry] })
  }

  #gauge<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name: PREFIX + name, help, labelNames, registers: [this.registry] })
  }

  /** A gauge that is read when it is asked for. */
  #readGauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: PREFIX + name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
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
