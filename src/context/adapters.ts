import { readFileSync } from 'node:fs'
import { FedmsgSubscriber } from '../bus/fedmsg-subscriber.ts'
import { Receiver } from '../bus/receive.ts'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { XmlRpcHub } from '../hub/xml-rpc-hub.ts'
import type { BusHandlers } from '../operations/world.ts'
import type { Step } from '../step.ts'
import { busConnectionChanged, hubAnswered, messageHandled, type Telemetry } from '../telemetry/events.ts'

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

/** The bus: fedmsg over ZeroMQ, from the socket to durable marks. */
export function createBus(
  config: Config,
  telemetry: Telemetry,
  step: Step,
  handlers: BusHandlers,
): { run(): Promise<void>; destroy(): Promise<void> } {
  const { endpoints, topicPrefix, instance, baseUrl, silenceTimeoutMs } = config.bus.fedmsg
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
