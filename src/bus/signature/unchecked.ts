import type { VerifyReason } from '../../model/verify-reasons.ts'
import { Refused } from './refused.ts'
import { readDatagrepperItem, readJson } from './signed-message.ts'

/**
 * What the reference demands of a message where `validate_signatures` is false (fedmsg/consumers `validate`): that it is JSON;
 * not even the topic is looked at. Of datagrepper's items: that they are items. null: it passes.
 */
export function judgeUnchecked(path: 'bus' | 'datagrepper', body: Uint8Array): VerifyReason | null {
  try {
    if (path === 'bus') readJson(body)
    else readDatagrepperItem(body)
    return null
  } catch (error) {
    if (error instanceof Refused) return error.reason
    throw error
  }
}
