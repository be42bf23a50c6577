import { EXIT } from '../errors.ts'
import { printable } from '../model/printable.ts'
import type { PruneNews, PruneOptions, RefreshNews } from '../model/upkeep.ts'
import { type CommonFlags, once, type Surroundings } from './commands.ts'
import { ProgressBar } from './progress-bar.ts'

/** A line a build, and a bar on a terminal; elsewhere, or with `json`, lines of JSON, the last one with `"kind":"end"`. */
export function pruneCommand(
  around: Surroundings,
  flags: CommonFlags & { readonly json: boolean },
  options: PruneOptions,
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    const { stdout } = around
    const isTerminal = stdout.isTTY === true && !flags.json
    const bar = isTerminal ? new ProgressBar(stdout) : null
    try {
      for await (const news of operations.prune(options, signal)) {
        if (!isTerminal) stdout.write(`${JSON.stringify(news)}\n`)
        else if (news.kind === 'progress') bar?.show(news.done / news.of, `${news.done} of ${news.of} builds`)
        else {
          bar?.clear()
          stdout.write(pruneLine(news))
        }
      }
    } finally {
      bar?.clear()
    }
    return EXIT.ok
  })
}

function pruneLine(news: Exclude<PruneNews, { kind: 'progress' }>): string {
  if (news.kind === 'build') {
    const reason = news.reason === null ? '' : `: ${printable(news.reason)}`
    return `${news.outcome.padEnd(8)}  ${mebibytes(news.bytes).padStart(12)}  ${printable(news.nvr)}${reason}\n`
  }
  const { builds, bytes, kept, removed } = news
  const what = `${builds} builds, ${mebibytes(bytes)}`
  if (removed) return `pruned ${what}${kept === 0 ? '' : `; ${kept} were kept`}\n`
  return builds === 0 ? 'nothing to prune\n' : `${what} can be pruned; --yes does it\n`
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

/** What the program says, line by line. */
export function refreshCommand(around: Surroundings, flags: CommonFlags): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    const { stdout } = around
    for await (const news of operations.refreshSnapshot(signal))
      stdout.write(stdout.isTTY === true ? refreshLine(news) : `${JSON.stringify(news)}\n`)
    return EXIT.ok
  })
}

function refreshLine(news: RefreshNews): string {
  switch (news.kind) {
    case 'running':
      return `the snapshot is ${ageText(news.ageSeconds)}; running ${printable(news.command)}\n`
    case 'said':
      return `  ${printable(news.line)}\n`
    case 'end':
      return `the snapshot is ${ageText(news.ageSeconds)}, of prod's event ${news.event} (${news.newer} builds are newer); ${news.marked} builds are looked at again when the daemon runs\n`
  }
}

/** `of unknown age`, `3.5 hours old`. */
export function ageText(seconds: number | null): string {
  if (seconds === null) return 'of unknown age'
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes old`
  const hours = seconds / 3600
  return hours < 72 ? `${hours.toFixed(1)} hours old` : `${(hours / 24).toFixed(1)} days old`
}
