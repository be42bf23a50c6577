import { formatKey } from '../model/key.ts'
import type { Mark } from '../model/outcome.ts'
import type { Converger, Convergers } from './deps.ts'

/**
 * What messages tell of is asked of prod while it is marked and claimed: by key, what `Converger.foresee` returned. Not of keys
 * that are under way (`isActive`): their claims are not to be had.
 */
export function foresee(
  convergers: Convergers,
  marks: readonly Mark[],
  { isActive, signal }: { isActive: (key: string) => boolean; signal: AbortSignal },
): Map<string, unknown> {
  const foreseen = new Map<string, unknown>()
  for (const { key, priority, expect = [] } of marks) {
    const converger = convergers[key.kind] as Converger
    if (converger.foresee === undefined || priority !== 'live' || expect.length === 0) continue
    const text = formatKey(key)
    if (!isActive(text)) foreseen.set(text, converger.foresee(key, expect, signal))
  }
  return foreseen
}
