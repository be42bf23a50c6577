import type { OpenKeys } from '../model/open-keys.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'

/** Some keys could not be made equal. */
export function hasFailed({ parkedKeys, failingKeys }: OpenKeys): boolean {
  return parkedKeys + failingKeys > 0
}

/** For the last line, for people; empty where all keys ended well. `what` the keys are. */
export function openText({ heldKeys, parkedKeys, failingKeys }: OpenKeys, what: string): string {
  if (heldKeys + parkedKeys + failingKeys === 0) return ''
  const failing = failingKeys > 0 ? `, ${failingKeys} fail and will be tried again` : ''
  return `; ${what}${heldKeys} ended held, ${parkedKeys} parked${failing}`
}

/** Lines after it: what failed, and why. */
export function failureLines({ failures }: OpenKeys): string {
  return failures
    .map(({ key, parked, code, reason }) => {
      const end = parked ? 'parked' : 'failing'
      return `  ${end}  ${printable(key)}  ${printable(maskText(`${code}: ${reason}`))}\n`
    })
    .join('')
}
