import { EXIT } from '../errors.ts'
import type { SeedNews, SeedOptions } from '../model/seed.ts'
import { type CommonFlags, type Output, once, type Surroundings } from './commands.ts'
import { ProgressBar } from './progress-bar.ts'

/** Lines for people; on a terminal a bar besides. `json`: one JSON object a line. */
export function seedCommand(
  around: Surroundings,
  flags: CommonFlags & { readonly json: boolean },
  options: SeedOptions,
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    const { stdout } = around
    const bar = stdout.isTTY === true && !flags.json ? new ProgressBar(stdout) : null
    try {
      for await (const news of operations.seed(options, signal)) {
        if (flags.json) stdout.write(`${JSON.stringify(news)}\n`)
        else show(news, stdout, bar)
      }
    } finally {
      bar?.clear()
    }
    return EXIT.ok
  })
}

function show(news: SeedNews, stdout: Output, bar: ProgressBar | null): void {
  if (news.kind === 'loading') {
    const { bytes, totalBytes, bytesPerSecond, secondsLeft, doing } = news
    const left = secondsLeft === null ? '' : `, ${duration(secondsLeft)} left`
    bar?.show(
      totalBytes === null ? 0 : bytes / totalBytes,
      `${mb(bytes)} MB, ${mb(bytesPerSecond)} MB/s${left}: ${doing}`,
    )
  } else if (news.kind === 'placing') {
    bar?.show(news.of === 0 ? 1 : news.done / news.of, `placing files: ${news.done} of ${news.of} builds`)
  } else {
    bar?.clear()
    stdout.write(`${line(news)}\n`)
  }
}

type Said = Exclude<SeedNews, { kind: 'loading' } | { kind: 'placing' }>

function line(news: Said): string {
  switch (news.kind) {
    case 'doing':
      return news.what
    case 'note':
      return `note: ${news.text}`
    case 'loaded': {
      const left = news.leftOut.length === 0 ? '' : `; without the rows of ${news.leftOut.join(', ')}`
      return `loaded ${news.rows} rows of ${news.tables} tables${left}`
    }
    case 'reset':
      return `  ${news.table}: ${news.rows} ${news.what}`
    case 'placed': {
      const failed = news.failed === 0 ? '' : `; ${news.failed} could not be, the daemon tries again:`
      const later = news.later === 0 ? '' : `, ${news.later} are left to the daemon`
      return [
        `placed the files of ${news.placed} builds${later}${failed}`,
        ...news.examples.map((text) => `  ${text}`),
      ].join('\n')
    }
    case 'ready':
      return `${news.database} is ready, up to prod's event ${news.seedEvent}, after ${duration(news.elapsedMs / 1000)}`
    case 'carried':
      return carriedLines(news)
    case 'files':
      return filesLines(news)
    case 'marked':
      return `${news.builds} builds have other signatures than the dump: the daemon looks at them`
    case 'swapped':
      return `swapped: ${news.ended} connections ended, staging was down for ${(news.downtimeMs / 1000).toFixed(3)} s; what it was is kept as ${news.kept}`
  }
}

const MAX_NAMES = 10

function carriedLines({ isPlan, carried, left, elapsedMs }: Said & { kind: 'carried' }): string {
  const head = isPlan ? 'a swap carries over' : 'carried over'
  const lines = carried.map(({ kind, count, examples }) => {
    const more = examples.length > MAX_NAMES ? ', ...' : ''
    const names = examples.length === 0 ? '' : `: ${examples.slice(0, MAX_NAMES).join(', ')}${more}`
    return `  ${count} ${kind}${names}`
  })
  const open = left.map(({ what, why, decided, keys }) =>
    decided ? `  left: ${what}: ${why}` : `  CANNOT: ${what}: ${why} (--leave ${keys[0]})`,
  )
  if (lines.length === 0 && open.length === 0) return `${head}: nothing, staging made nothing itself`
  return [`${head}, in ${duration(elapsedMs / 1000)}:`, ...lines, ...open].join('\n')
}

function filesLines({ modes, withoutFiles }: Said & { kind: 'files' }): string {
  const lines = modes.map(({ mode, builds, toBring, bytesToBring }) => {
    const bytes = bytesToBring === 0 ? '' : `, ${mb(bytesToBring)} MB`
    const left = toBring === 0 ? '' : `; ${toBring} of them are left to the daemon, newest first${bytes}`
    return `  ${mode}: ${builds} builds${left}`
  })
  if (withoutFiles > 0) lines.push(`  without files: ${withoutFiles} builds, out of scope (no prod.topdir)`)
  return [`files of complete builds:`, ...lines].join('\n')
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1)
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
