import { setTimeout as delay } from 'node:timers/promises'
import type { BusSource } from './source.ts'

/** What a look at the bus showed. */
export interface BusProbe {
  readonly connected: readonly string[]
  /** messages of any topic, well-formed or not */
  readonly messages: number
}

const POLL_MS = 20

/**
 * Listens for a moment: until all endpoints are connected (at most `connectMs`), and then until a first message, at most `listenMs`
 * longer. Ends the source.
 */
export async function probeBus(
  source: BusSource,
  {
    endpoints,
    connectMs,
    listenMs,
  }: { readonly endpoints: number; readonly connectMs: number; readonly listenMs: number },
): Promise<BusProbe> {
  const connected = new Set<string>()
  let messages = 0
  source.start({
    connected: (endpoint) => connected.add(endpoint),
    disconnected: (endpoint) => connected.delete(endpoint),
    silence: () => {},
    refused: () => {
      messages += 1
    },
  })
  const reading = (async () => {
    for await (const _ of source) messages += 1
  })()
  // It is heard at the end; until then a failure must not end the process.
  reading.catch(() => {})
  try {
    await until(() => connected.size >= endpoints, connectMs)
    if (connected.size > 0) await until(() => messages > 0, listenMs)
  } finally {
    source.destroy()
    await reading
  }
  return { connected: [...connected], messages }
}

async function until(holds: () => boolean, ms: number): Promise<void> {
  const endMs = performance.now() + ms
  while (!holds() && performance.now() < endMs) await delay(POLL_MS)
}
