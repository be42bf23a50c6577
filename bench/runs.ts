import type { Result } from './results.ts'

/** Measures several times; of each name the run whose ratio is the median, and how far the ratios went. */
export async function severalTimes(
  runs: number,
  measure: () => Promise<readonly Result[]>,
): Promise<Result[]> {
  const all: (readonly Result[])[] = []
  for (let run = 1; run <= runs; run += 1) {
    if (runs > 1) console.log(`run ${run} of ${runs}`)
    all.push(await measure())
  }
  const names = [...new Set(all.flat().map(({ name }) => name))]
  return names.map((name) => {
    const sorted = all
      .flat()
      .filter((one) => one.name === name)
      .sort((a, b) => a.ratio - b.ratio)
    const median = sorted[Math.ceil(sorted.length / 2) - 1] as Result
    const [least, most] = [sorted[0]?.ratio as number, sorted.at(-1)?.ratio as number]
    return { ...median, runs: sorted.length, spread: [least, most] }
  })
}
