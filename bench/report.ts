import type { Result } from './results.ts'

const HEAD = `# Bench results

Written by \`npm run bench\` from results.json; not by hand. Lower is better in all rows. *floor* is the least that does the same job, or the peer
that is named, in the same run; *ratio* is value over floor, of the run with the median ratio; *spread* are the least and the most of the ratios.
`

/** The results as a page for people: a table for each machine. */
export function renderReport(results: readonly Result[]): string {
  const machines = [...new Set(results.map(({ machine = 'a machine that was not noted' }) => machine))]
  const tables = machines.map((machine) => {
    const rows = results.filter((row) => (row.machine ?? machines[0]) === machine).map(line)
    return [`## ${machine}`, '', ...TABLE, ...rows].join('\n')
  })
  return `${[HEAD.trimEnd(), ...tables].join('\n\n')}\n`
}

const TABLE = [
  '| what | value | floor | ratio | goal | | runs | spread | measured (UTC) |',
  '| --- | ---: | ---: | ---: | ---: | --- | ---: | --- | --- |',
]

function line({ name, value, unit, floor, ratio, goal, runs = 1, spread, at = '' }: Result): string {
  const met = ratio <= goal ? 'met' : '**missed**'
  const [least, most] = spread ?? [ratio, ratio]
  return `| ${name} | ${value} ${unit} | ${floor} ${unit} | ${ratio} | ${goal} | ${met} | ${runs} | ${least} to ${most} | ${at} |`
}
