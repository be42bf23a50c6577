import type { Value } from '../model/value.ts'

/** What a methodResponse says. */
export type Answer =
  | { readonly kind: 'value'; readonly value: Value }
  | { readonly kind: 'fault'; readonly faultCode: number; readonly faultString: string }

/**
 * Why a body is no answer. `foreign`: not XML-RPC at all (an HTML page); `cut`: it ended too early; `malformed`: it
 * breaks XML, XML-RPC or our types; `large`: a limit.
 */
export class UndecodableError extends Error {
  override name = 'UndecodableError'
  readonly reason: 'foreign' | 'cut' | 'malformed' | 'large'
  constructor(reason: UndecodableError['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}
