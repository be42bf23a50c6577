import type { TreeState } from '../model/tree-state.ts'
import { readFreeBytes } from '../storage/room.ts'
import { snapshotAge } from './snapshot.ts'
import type { World } from './world.ts'

/** Null: the tree cannot be seen from here. */
export async function readTreeState({ config, storageChecks }: World): Promise<TreeState | null> {
  const freeBytes = await readFreeBytes(config.staging.topdir, storageChecks.step)
  if (freeBytes === null) return null
  const modes = config.placement.map(({ mode }) => mode)
  const copies = modes.includes('copy') || modes.includes('in-place')
  const reserveBytes = copies ? config.copy.reserveBytes : null
  return {
    freeBytes,
    reserveBytes,
    full: reserveBytes !== null && freeBytes < reserveBytes,
    snapshotAgeSeconds: modes.includes('in-place') ? await snapshotAge(config) : null,
  }
}
