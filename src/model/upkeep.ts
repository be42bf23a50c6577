/** What `prune` is asked for. */
export interface PruneOptions {
  /** false: only listed */
  readonly remove: boolean
  /** days since a build was placed, and since it was last untagged */
  readonly olderThanDays: number
}

export type PruneNews =
  | {
      readonly kind: 'build'
      readonly buildId: number
      readonly nvr: string
      /** of its files, as rows say */
      readonly bytes: number
      readonly outcome: 'prunable' | 'pruned' | 'kept'
      /** why it is kept; null: it is not */
      readonly reason: string | null
    }
  | { readonly kind: 'progress'; readonly done: number; readonly of: number }
  | {
      readonly kind: 'end'
      /** that were pruned, or would be */
      readonly builds: number
      readonly bytes: number
      readonly kept: number
      readonly removed: boolean
    }

/** What `refresh-snapshot` tells. */
export type RefreshNews =
  | { readonly kind: 'running'; readonly command: string; readonly ageSeconds: number | null }
  | { readonly kind: 'said'; readonly line: string }
  | {
      readonly kind: 'end'
      /** of the snapshot now; null: nothing tells */
      readonly ageSeconds: number | null
      /** prod's last event before it was taken: it has all that was complete by then */
      readonly event: number
      /** builds that prod completed later: what the snapshot lacks of them is fetched first */
      readonly newer: number
      /** builds that are looked at again */
      readonly marked: number
    }
