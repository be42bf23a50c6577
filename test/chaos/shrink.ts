/** What fails, in its shortest form that was found. */
export interface Shrunk<T> {
  readonly items: readonly T[]
  readonly complaints: readonly string[]
  /** how often it was tried */
  readonly tries: number
}

/**
 * The fewest of these that still fail: first the shortest prefix, by bisection, then without what it does not need (Zeller's
 * ddmin), in at most `budget` tries. `fails` says what is wrong, null: nothing. Null when not even all of them fail again.
 */
export async function shrink<T>(
  all: readonly T[],
  fails: (items: readonly T[]) => Promise<readonly string[] | null>,
  budget = 60,
): Promise<Shrunk<T> | null> {
  let tries = 0
  const attempt = async (items: readonly T[]): Promise<readonly string[] | null> => {
    tries += 1
    return fails(items)
  }
  const whole = await attempt(all)
  if (whole === null) return null
  let best = { items: all, complaints: whole }
  /** Keeps the smaller one where it fails too. */
  const keep = async (items: readonly T[]): Promise<boolean> => {
    const complaints = await attempt(items)
    if (complaints !== null) best = { items, complaints }
    return complaints !== null
  }
  for (let [works, broken] = [-1, all.length]; broken - works > 1 && tries < budget; ) {
    const middle = Math.floor((works + broken) / 2)
    if (await keep(all.slice(0, middle))) broken = middle
    else works = middle
  }
  for (let parts = 2; parts <= best.items.length && tries < budget; ) {
    const size = Math.ceil(best.items.length / parts)
    let fewer = false
    for (let at = 0; at < best.items.length && tries < budget; ) {
      const without = [...best.items.slice(0, at), ...best.items.slice(at + size)]
      if (without.length > 0 && (await keep(without))) fewer = true
      else at += size
    }
    if (size === 1 && !fewer) break
    parts = fewer ? Math.max(2, Math.min(parts - 1, best.items.length)) : parts * 2
    if (parts > best.items.length && size > 1) parts = best.items.length
  }
  return { ...best, tries }
}
