import type { Activity } from '../../model/activity.ts'
import type { StatusReport, Verdict } from '../../model/status.ts'

/** One precondition of working. */
export interface ReadyCheck {
  readonly name: string
  readonly ok: boolean
  readonly reason: string
}

/** What the page and /status.json show: how staging stands, and how this daemon does. */
export interface PageData {
  readonly verdict: Verdict
  readonly version: string
  readonly host: string
  /** of this host's clock, milliseconds since 1970 */
  readonly nowMs: number
  readonly startedMs: number
  readonly prodHub: string
  /** what this daemon did itself, for when the database does not answer */
  readonly own: Activity
  readonly ready: readonly ReadyCheck[]
  /** null: staging's database does not answer */
  readonly status: StatusReport | null
}
