import { readFileSync } from 'node:fs'
import { FedmsgSubscriber } from '../bus/fedmsg-subscriber.ts'
import { Receiver, type Verify } from '../bus/receive.ts'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { XmlRpcHub } from '../hub/xml-rpc-hub.ts'
import type { BusHandlers } from '../operations/world.ts'
import type { Step } from '../step.ts'
import {
  busConnectionChanged,
  hubAnswered,
  messageHandled,
  signatureRefused,
  type Telemetry,
} from '../telemetry/events.ts'
import { Seldom } from '../telemetry/seldom.ts'
import { createVerifier } from './bus-trust.ts'

/** Prod's hub. Throws ConfigError CA_FILE_UNREADABLE. */
export function createHub(config: Config, telemetry: Telemetry, step: Step): XmlRpcHub {
  return new XmlRpcHub({
    url: config.prod.hub,
    ca: config.prod.caFile === null ? undefined : readCa(config.prod.caFile),
    requestsPerSecond: config.prod.requestsPerSecond,
    concurrency: config.prod.concurrency,
    timeoutMs: config.prod.timeoutMs,
    step,
    onRequest: ({ methods, seconds, outcome, bytes }) =>
      hubAnswered(telemetry, {
        outcome: outcome === 'ok' ? 'ok' : outcome === 'HUB_STOPPED' ? 'aborted' : 'outage',
        calls: methods.length,
        elapsedMs: seconds * 1000,
        bytes,
      }),
  })
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError('CA_FILE_UNREADABLE', `prod.ca_file ${path} cannot be read`, { cause: error })
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
  const verify: Verify = async ({ topic, wire }) => {
    if (verifier === null || wire === null) return { ok: true }
    const reason = await verifier.verify(topic, wire)
    if (reason === null) return { ok: true }
    const count = refusals.count(reason)
    if (count !== null) signatureRefused(telemetry, { reason, count })
    return { ok: false, reason: `verify:${reason}` }
  }
  const source = new FedmsgSubscriber({ endpoints, topicPrefix, silenceTimeoutMs, step })
  return new Receiver({
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
    onConnection: (endpoint, state) => busConnectionChanged(telemetry, { endpoint, state }),
  })
}
