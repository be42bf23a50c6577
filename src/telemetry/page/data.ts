import type { ClashesReport, ShownParked, StatusReport } from '../../model/operations.ts'
import type { LagMinute, RecentThing } from '../recent.ts'

/** One precondition of working. */
export interface ReadyCheck {
  readonly name: string
  readonly ok: boolean
  readonly reason: string
}

/** What the page and /status.json show. Times are milliseconds since 1970 unless they are texts (ISO 8601). */
export interface PageData {
  readonly version: string
  readonly host: string
  readonly nowMs: number
  readonly startedMs: number
  readonly prodHub: string
  readonly ready: readonly ReadyCheck[]
  /** null: staging's database does not answer */
  readonly status: StatusReport | null
  readonly clashes: ClashesReport | null
  readonly parked: readonly ShownParked[] | null
  readonly lags: readonly LagMinute[]
  readonly recent: readonly RecentThing[]
  readonly reconcile: {
    /** of anyone's last one; null: never */
    readonly lastDoneMs: number | null
    /** numbers of this daemon's last one; null: none since it started */
    readonly last: Readonly<Record<string, number>> | null
  }
  /** rows of `staging_sync.placement` by mode and state */
  readonly placements: readonly { readonly mode: string; readonly state: string; readonly builds: number }[]
}
