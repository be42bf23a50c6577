/** An entry of a tag's list of one package in the replaced database, in the new one's ids; lists ascend, the last entry is the latest. */
export interface OldEntry {
  readonly build: number
  readonly event: number
  /** who tagged it in staging; null: it is prod's */
  readonly creator: number | null
}

export interface Merged {
  /** builds whose entries stay as they are */
  readonly keep: readonly number[]
  /** entries that are made, in order: with the event that they had, or null for a new one */
  readonly create: readonly {
    readonly build: number
    readonly event: number | null
    readonly creator: number | null
  }[]
}

/**
 * The order of the old list, as far as the new one has its entries or they are staging's own; what only the new one has stays behind what
 * it stands behind. From the first difference on entries are made anew, with new events unless only staging's own, higher ones follow.
 */
export function mergeListing(
  old: readonly OldEntry[],
  now: readonly { readonly build: number; readonly event: number }[],
): Merged {
  const there = new Map(now.map((entry) => [entry.build, entry.event]))
  const target = old.filter(({ build, creator }) => creator !== null || there.has(build))
  for (const [at, { build, event }] of now.entries()) {
    if (target.some((entry) => entry.build === build)) continue
    const before = now[at - 1]?.build
    target.splice(target.findIndex((entry) => entry.build === before) + 1, 0, { build, event, creator: null })
  }
  let same = 0
  while (same < now.length && isSame(target[same], now[same])) same += 1
  const rest = target.slice(same)
  const highest = now.slice(0, same).reduce((most, { event }) => Math.max(most, event), 0)
  const asTheyWere = same === now.length && rest.every(({ event }) => event > highest)
  return {
    keep: target.slice(0, same).map(({ build }) => build),
    create: rest.map(({ build, event, creator }) => ({ build, event: asTheyWere ? event : null, creator })),
  }
}

/** One that staging's people tagged is the same only when it came over before. */
function isSame(
  wanted: OldEntry | undefined,
  entry: { readonly build: number; readonly event: number } | undefined,
): boolean {
  return (
    wanted !== undefined &&
    wanted.build === entry?.build &&
    (wanted.creator === null || wanted.event === entry.event)
  )
}
