import type { Key } from './key.ts'

/** How converging a key ended. The worker decides on retry, delay and metric from this alone. */
export type Outcome =
  /** Both sides were equal (modulo local rows): nothing was written. */
  | { readonly kind: 'unchanged' }
  /** Rows or files were written. */
  | { readonly kind: 'applied'; readonly rows: number }
  /** Not in scope, or of a kind that is never replicated: nothing to do, now or later. */
  | { readonly kind: 'skipped'; readonly reason: string }
  /** Other keys must come first; they are marked at our priority and wake us. */
  | { readonly kind: 'wait'; readonly reason: string; readonly for: readonly Key[] }
  /** A clash that policy holds: something of this key was not written, on purpose. */
  | { readonly kind: 'held'; readonly reason: string; readonly rows: number }
  /** A race was lost: observe again at once, counts nothing. */
  | { readonly kind: 'again'; readonly reason: string }

/** `live` is a fresh message or a person who waits; `sweep` is catch-up, reconcile, scrub. */
export type Priority = 'live' | 'sweep'

/**
 * What a message claimed. Never delays applying what was read; it only schedules re-looks.
 *
 * | key       | subject            | claim                                     |
 * | --------- | ------------------ | ----------------------------------------- |
 * | `build`   | `state`            | `0`..`4`, the state's number              |
 * | `build`   | `sig:<nvra>:<key>` | `present`                                 |
 * | `build`   | `settled`          | `import`, our own: no more rpms come      |
 * | `tagged`  | `build:<id>`       | `tagged` or `untagged`                    |
 * | `package` | `listing`          | `listed`, `blocked`, `unblocked`, `absent`|
 */
export interface Expectation {
  readonly subject: string
  readonly claim: string
}

/** One thing to mark: a key, and what was claimed of it. */
export interface Mark {
  readonly key: Key
  readonly priority: Priority
  readonly expect?: readonly Expectation[]
  /** Who marks knows that nothing of the key can have changed but what is expected: then it need not be read whole. */
  readonly onlyExpected?: boolean
}
