import Table from 'cli-table3'
import { ask } from '../sim/ask.ts'
import { compareHubs, describeDifference } from '../sim/compare.ts'
import type { Struct } from '../sim/wire-value.ts'
import { compareFiles } from './files.ts'
import type { Stage } from './stage.ts'

/** What both sides show, kind by kind. */
export interface Verdict {
  readonly table: string
  /** Lines for people; none: equal. */
  readonly differences: readonly string[]
  /** What was compared, all kinds together. */
  readonly things: number
}

/** Asks both hubs everything, and reads all files of all builds on both sides. */
export async function compareAll({ prod, staging }: Stage): Promise<Verdict> {
  const hubs = await compareHubs({ prod: prod.hub.url, staging: staging.hub.url, builds: 'all' })
  const rows = new Map<string, [compared: number, different: number]>()
  for (const [kind, count] of Object.entries(hubs.checked)) rows.set(kind, [count, 0])
  for (const { kind } of hubs.differences) (rows.get(kind) as [number, number])[1]++
  const differences = hubs.differences.map(describeDifference)

  const builds = (await ask(prod.hub.url, 'listBuilds')) as Struct[]
  const files: [number, number] = [0, 0]
  for (const { nvr } of builds) {
    const compared = await compareFiles(prod, staging, String(nvr))
    files[0] += compared.files
    files[1] += compared.differences.length
    differences.push(...compared.differences.map((text) => `file of ${nvr}, ${text}`))
  }
  rows.set('file, byte by byte', files)
  return {
    table: tableOf(rows),
    differences,
    things: [...rows.values()].reduce((sum, [compared]) => sum + compared, 0),
  }
}

function tableOf(rows: ReadonlyMap<string, readonly [number, number]>): string {
  const table = new Table({
    head: ['what both hubs show', 'compared', 'different'],
    colAligns: ['left', 'right', 'right'],
    style: { compact: true, head: [], border: [] },
  })
  for (const [kind, [compared, different]] of rows) table.push([kind, compared, different])
  return table.toString()
}
