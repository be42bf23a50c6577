/** Events of staging from `from` to before `to`; of a list they are apart and ascending. */
export interface Window {
  readonly from: number
  /** Infinity: to this day */
  readonly to: number
}

export type Windows = readonly Window[]

export const ALWAYS: Windows = [{ from: 0, to: Number.POSITIVE_INFINITY }]

/** In order, and those that touch or overlap as one. */
export function union(windows: Windows): Windows {
  const sorted = windows.filter(({ from, to }) => from < to).sort((a, b) => a.from - b.from)
  const merged: Window[] = []
  for (const one of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && one.from <= last.to)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, one.to) }
    else merged.push(one)
  }
  return merged
}

export function intersection(a: Windows, b: Windows): Windows {
  const both: Window[] = []
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [one, other] = [a[i] as Window, b[j] as Window]
    const window = { from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) }
    if (window.from < window.to) both.push(window)
    if (one.to < other.to) i += 1
    else j += 1
  }
  return both
}

/** What lies in none of them. */
export function outside(windows: Windows): Windows {
  const rest: Window[] = []
  let from = 0
  for (const one of union(windows)) {
    if (from < one.from) rest.push({ from, to: one.from })
    from = one.to
  }
  if (from < Number.POSITIVE_INFINITY) rest.push({ from, to: Number.POSITIVE_INFINITY })
  return rest
}
