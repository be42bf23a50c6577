import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import Table from 'cli-table3'

/** One measurement beside its floor. Lower is better in all of them. */
export interface Result {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** The same, by the least that does the job; how it is made stands with the measurement. */
  readonly floor: number
  readonly ratio: number
  /** The ratio that is aimed at. */
  readonly goal: number
}

export function result(
  name: string,
  unit: string,
  numbers: { value: number; floor: number; goal: number },
): Result {
  const { value, floor, goal } = numbers
  if (!(value > 0 && floor > 0))
    throw new Error(`${name}: ${value} ${unit} over ${floor} ${unit} is no measurement`)
  return { name, value: round(value), unit, floor: round(floor), ratio: round(value / floor), goal }
}

export function printResults(results: readonly Result[]): void {
  const table = new Table({
    head: ['', 'value', 'floor', 'overhead', 'unit', 'ratio', 'goal', ''],
    colAligns: ['left', 'right', 'right', 'right', 'left', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  })
  for (const { name, value, unit, floor, ratio, goal } of results) {
    table.push([
      name,
      value,
      floor,
      round(value - floor),
      unit,
      ratio,
      goal,
      ratio <= goal ? 'met' : 'MISSED',
    ])
  }
  console.log(table.toString())
}

/** What ran it; no names of machines. */
export function machine(): string {
  const cores = cpus()
  const memoryGib = Math.round(totalmem() / 2 ** 30)
  return `${cores.length} cores (${cores[0]?.model.trim() ?? 'unknown'}), ${memoryGib} GiB, Node ${process.versions.node}, ${process.platform} ${process.arch}`
}

export function writeResults(path: string, results: readonly Result[]): void {
  writeFileSync(path, `[\n${results.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`)
}

/** Three digits that count. */
function round(n: number): number {
  return Number(n.toPrecision(Math.abs(n) >= 1000 ? 4 : 3))
}
