import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import Table from 'cli-table3'
import { renderReport } from './report.ts'

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
  /** How often it was measured; what stands here is the run with the median ratio. */
  readonly runs?: number
  /** The least and the most of the ratios. */
  readonly spread?: readonly [least: number, most: number]
  /** What ran it, and when (UTC). */
  readonly machine?: string
  readonly at?: string
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

/** Beside those of other parts that stand there already; RESULTS.md in the same directory is made of them all. */
export function writeResults(path: string, results: readonly Result[]): void {
  const at = new Date().toISOString().slice(0, 16).replace('T', ' ')
  const fresh = results.map((row) => ({
    runs: 1,
    spread: [row.ratio, row.ratio],
    ...row,
    machine: machine(),
    at,
  }))
  const names = new Set(results.map(({ name }) => name))
  const before: Result[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []
  const all = [...before.filter(({ name }) => !names.has(name)), ...(fresh as Result[])]
  writeFileSync(path, `[\n${all.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`)
  writeFileSync(join(dirname(path), 'RESULTS.md'), renderReport(all))
}

/** Three digits that count. */
function round(n: number): number {
  return Number(n.toPrecision(Math.abs(n) >= 1000 ? 4 : 3))
}
