import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Receiver } from '../../src/bus/receive.ts'
import { createWorld } from '../../src/context.ts'
import { StopError } from '../../src/errors.ts'

/** What a daemon of a schedule is made of: the program as it is here, or a broken build of it. */
export interface Parts {
  readonly createWorld: typeof createWorld
  readonly Receiver: typeof Receiver
  readonly StopError: typeof StopError
}

export const HERE: Parts = { createWorld, Receiver, StopError }

/** Those of a build in a directory of its own. */
export async function partsOf(directory: string): Promise<Parts> {
  const load = (name: string) => import(pathToFileURL(join(directory, name)).href)
  const [context, receive, errors] = await Promise.all(
    ['context.js', 'bus/receive.js', 'errors.js'].map(load),
  )
  return { ...context, ...receive, ...errors } as Parts
}
