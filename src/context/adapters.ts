import { readFileSync } from 'node:fs'
import { Datagrepper } from '../bus/datagrepper.ts'
import { FedmsgSubscriber } from '../bus/fedmsg-subscriber.ts'
import { probeBus } from '../bus/probe.ts'
import { Receiver, type Verify } from '../bus/receive.ts'
import { ReplayingSource, type StoredPosition } from '../bus/replaying-source.ts'
import type { BusSource } from '../bus/source.ts'
import { normalisePrefix } from '../bus/topics.ts'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { ALLOWED } from '../hub/allowed.ts'
import { readHubCertificate, readHubClock } from '../hub/probe.ts'
import { XmlRpcHub } from '../hub/xml-rpc-hub.ts'
import { TOPIC_NAMES } from '../model/topics.ts'
import type { BusHandlers, Probes } from '../operations/world.ts'
import type { Step } from '../step.ts'
import {
  busConnectionChanged,
  datagrepperRead,
  messageHandled,
  signatureRefused,
  type Telemetry,
} from '../telemetry/events.ts'
import { hubAnswered } from '../telemetry/hub-events.ts'
import { Seldom } from '../telemetry/seldom.ts'
import { createVerifier } from './bus-trust.ts'

/** Prod's hub. Throws ConfigError CA_FILE_UNREADABLE. */
export function createHub(config: Config, telemetry: Telemetry, step: Step): XmlRpcHub {
  telemetry.metrics.knowMethods(ALLOWED.keys())
  return new XmlRpcHub({
    url: config.prod.hub,
    ca: config.prod.caFile === null ? undefined : readCa(config.prod.caFile, 'prod.ca_file'),
    requestsPerSecond: config.prod.requestsPerSecond,
    concurrency: config.prod.concurrency,
    timeoutMs: config.prod.timeoutMs,
    historyTimeoutMs: config.prod.historyTimeoutMs,
    step,
    onRequest: ({ methods, faults, seconds, outcome, bytes }) =>
      hubAnswered(telemetry, {
        outcome:
          outcome === 'ok' ? okOrFault(methods, faults) : outcome === 'HUB_STOPPED' ? 'aborted' : 'outage',
        code: outcome === 'ok' ? null : outcome,
        methods,
        faults,
        elapsedMs: seconds * 1000,
        bytes,
      }),
  })
}

/** Of many calls that one gets a fault is nothing of the request's. */
function okOrFault(methods: readonly string[], faults: readonly string[]): 'ok' | 'fault' {
  return methods.length === 1 && faults.length === 1 ? 'fault' : 'ok'
}

/**
 * The database's address with how its server is checked. The file is read anew for each connection, so that it may be replaced
 * while we run. Throws ConfigError CA_FILE_UNREADABLE.
 */
export function databaseAddress({ database, caFile }: Config['staging']): string {
  if (caFile === null) return database
  readCa(caFile, 'staging.ca_file')
  const joint = database.includes('?') ? '&' : '?'
  return `${database}${joint}sslmode=verify-full&sslrootcert=${encodeURIComponent(caFile)}`
}

function readCa(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError('CA_FILE_UNREADABLE', `${setting} ${path} cannot be read`, { cause: error })
  }
}

/** What is missed on the bus is looked for in datagrepper too. */
function createReplay(
  { bus }: Config,
  url: string,
  telemetry: Telemetry,
  step: Step,
  live: BusSource,
  position: StoredPosition | undefined,
): ReplayingSource {
  const prefix = normalisePrefix(bus.fedmsg.topicPrefix)
  const store = new Datagrepper({ url, topics: TOPIC_NAMES.map((name) => `${prefix}${name}`), step })
  return new ReplayingSource({
    live,
    items: (start, end, signal) => store.items(start, end, signal),
    lookbackSeconds: bus.datagrepper.lookbackSeconds,
    position,
    onReplayed: (replayed) => datagrepperRead(telemetry, replayed),
  })
}

/** What `doctor` looks at beside the work. */
export function createProbes({ prod, bus }: Config, step: Step): Probes {
  const hub = () => ({
    url: prod.hub,
    ca: prod.caFile === null ? undefined : readCa(prod.caFile, 'prod.ca_file'),
    timeoutMs: prod.timeoutMs,
    step,
  })
  const { endpoints, silenceTimeoutMs } = bus.fedmsg
  return {
    hubClock: async () => readHubClock(hub()),
    hubCertificate: async () => readHubCertificate(hub()),
    bus: async (wait) => {
      if (endpoints.length === 0) return { connected: [], messages: 0 }
      // Any topic shows that it talks; Koji alone may be quiet for minutes.
      const [first = ''] = bus.fedmsg.topicPrefix.split('.')
      const source = new FedmsgSubscriber({ endpoints, topicPrefix: first, silenceTimeoutMs, step })
      return probeBus(source, { endpoints: endpoints.length, ...wait })
    },
  }
}

/** Anyone may send anything: each reason is logged once in this time, with how often it was. */
const REFUSALS_TOLD_MS = 600_000

/** The bus: fedmsg over ZeroMQ, from the socket to durable marks. */
export function createBus(
  config: Config,
  telemetry: Telemetry,
  step: Step,
  handlers: BusHandlers,
): { run(): Promise<void>; destroy(): Promise<void> } {
  const { endpoints, topicPrefix, instance, baseUrl, silenceTimeoutMs } = config.bus.fedmsg
  const verifier = createVerifier(config, telemetry, step)
  const refusals = new Seldom({ intervalMs: REFUSALS_TOLD_MS })
  const { datagrepper } = config.bus
  const verify: Verify = async ({ topic, wire, stored }) => {
    if (verifier === null || wire === null) return { ok: true }
    if (stored === true && !datagrepper.validateSignatures) return { ok: true }
    const reason = await (stored === true ? verifier.verifyDatagrepper(wire) : verifier.verify(topic, wire))
    if (reason === null) return { ok: true }
    const count = refusals.count(reason)
    if (count !== null) signatureRefused(telemetry, { reason, count })
    return { ok: false, reason: `verify:${reason}` }
  }
  const live = new FedmsgSubscriber({ endpoints, topicPrefix, silenceTimeoutMs, step })
  const { position } = handlers
  const stored = position && { ...position, isSettled: () => receiver.pending === 0 }
  const source =
    datagrepper.url === null ? live : createReplay(config, datagrepper.url, telemetry, step, live, stored)
  const receiver: Receiver = new Receiver({
    source,
    topicPrefix,
    instance,
    baseUrl,
    // Tags are renamed and swapped, so a name of theirs is always asked of prod.
    known: { package: handlers.packageId, tag: () => null },
    verify,
    mark: (marks) => handlers.mark(marks),
    onOutcome: (outcome) => messageHandled(telemetry, outcome),
    onCatchUp: (reason) => handlers.catchUp(reason),
    onTurn: () => handlers.turned(),
    onConnection: (endpoint, state, connected) =>
      busConnectionChanged(telemetry, { endpoint, state, connected }),
  })
  telemetry.metrics.watchPending(() => ({ messages: receiver.pending, oldestMs: receiver.oldestPendingMs }))
  return receiver
}
