import { FedmsgSubscriber } from '../../src/bus/fedmsg-subscriber.ts'
import { type MessageOutcome, Receiver, type ReceiverOptions } from '../../src/bus/receive.ts'
import { OutageError } from '../../src/errors.ts'
import type { Mark } from '../../src/model/outcome.ts'
import { noStep } from '../../src/step.ts'
import { Publisher, until } from './publisher.ts'
import { get, PREFIX } from './samples.ts'

export interface World {
  readonly from: Publisher
  readonly receiver: Receiver
  readonly running: Promise<void>
  readonly marks: Mark[]
  readonly calls: number[]
  readonly outcomes: MessageOutcome[]
  readonly catchUps: string[]
}

/** A receiver that hears the publisher already. */
export async function world(
  closers: (() => unknown)[],
  options: Partial<ReceiverOptions> = {},
): Promise<World> {
  const from = await Publisher.create()
  const [marks, calls, outcomes, catchUps]: [Mark[], number[], MessageOutcome[], string[]] = [[], [], [], []]
  const source = new FedmsgSubscriber({
    endpoints: [from.endpoint],
    topicPrefix: PREFIX,
    step: noStep,
    silenceTimeoutMs: 60_000,
    turnMs: 20,
    reconnectIntervalMs: 20,
    reconnectMaxIntervalMs: 50,
  })
  const receiver = new Receiver({
    source,
    topicPrefix: PREFIX,
    instance: 'primary',
    baseUrl: null,
    known: { package: () => null, tag: () => null },
    onOutcome: (outcome) => outcomes.push(outcome),
    onCatchUp: (reason) => catchUps.push(reason),
    retryMs: { first: 5, longest: 20 },
    ...options,
    mark: async (some, messages) => {
      await options.mark?.(some, messages)
      calls.push(messages.length)
      marks.push(...some)
    },
  })
  closers.push(() => from.close())
  const running = receiver.run()
  running.catch(() => {})
  closers.push(() => receiver.destroy())
  while (!outcomes.some(({ reason }) => reason === 'topic')) {
    await from.publish(Object.assign({ topic: `${PREFIX}hello` }, { msg: {} }))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  // The last of what was said to be heard: nothing of it comes after this one frame.
  await from.send(PREFIX)
  await until(() => outcomes.some(({ reason }) => reason === 'frames'))
  outcomes.length = 0
  return { from, receiver, running, marks, calls, outcomes, catchUps }
}

export function tagging(n: number, members: object = {}): { topic: string } {
  const msg = { ...get('amqp.tag.tag_message').body, build_id: n + 1, name: `package-${n}`, ...members }
  return Object.assign({ topic: `${PREFIX}tag` }, { msg, msg_id: `2020-${n}`, timestamp: 1577836800 })
}

export function counts(outcomes: readonly MessageOutcome[]): Record<string, number> {
  const totals: Record<string, number> = {}
  for (const { topic, outcome, reason } of outcomes) {
    const name = [topic, outcome, reason].join(' ').trim()
    totals[name] = (totals[name] ?? 0) + 1
  }
  return totals
}

export const down = (): Promise<void> =>
  Promise.reject(new OutageError('database', 'DATABASE_DOWN', 'staging database: down'))
