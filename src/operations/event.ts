import { SyncError } from '../errors.ts'
import type { EventAnswer, EventOptions } from '../model/operations.ts'
import type { World } from './world.ts'

export async function runEvent(_w: World, _o: EventOptions, _s: AbortSignal): Promise<EventAnswer> {
  throw new SyncError('TODO', 'todo')
}
