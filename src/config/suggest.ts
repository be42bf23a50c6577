/** The known name that was most likely meant; null when none is near. */
export function suggest(name: string, known: readonly string[]): string | null {
  const wanted = normalise(name)
  const exact = known.find((candidate) => normalise(candidate) === wanted)
  if (exact !== undefined) return exact
  // `timeout` for `timeout_seconds`: the unit was forgotten.
  const longer = known.find((candidate) => wanted.length >= 4 && normalise(candidate).startsWith(wanted))
  if (longer !== undefined) return longer
  const [best] = known
    .map((candidate) => ({ candidate, distance: distanceOf(wanted, normalise(candidate)) }))
    .sort((a, b) => a.distance - b.distance)
  const near = Math.max(1, Math.floor(name.length / 3))
  return best !== undefined && best.distance <= near ? best.candidate : null
}

function normalise(name: string): string {
  return name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll('-', '_')
    .slice(0, 100)
}

/** Levenshtein: how many letters to insert, delete or replace. */
function distanceOf(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replaced))
    }
    previous = row
  }
  return previous[b.length] ?? 0
}
