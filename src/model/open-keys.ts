/** A key that failed for itself, and is not equal. */
export interface FailedKey {
  readonly key: string
  /** it is tried hourly, and when it is marked; false: sooner, by whoever works on the queue then */
  readonly parked: boolean
  readonly code: string
  readonly reason: string
}

/** Of the keys that a command marked: those that it leaves open. */
export interface OpenKeys {
  readonly heldKeys: number
  readonly parkedKeys: number
  /** that fail for themselves, or wait for such, and will be tried again */
  readonly failingKeys: number
  /** the first of what failed, by key */
  readonly failures: readonly FailedKey[]
}
