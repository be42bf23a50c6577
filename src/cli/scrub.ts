import { EXIT } from '../errors.ts'
import type { Drift } from '../model/drift.ts'
import type { ScrubReport } from '../model/scrub.ts'
import { type CommonFlags, once, type Surroundings } from './commands.ts'
import { hasFailed } from './open-keys.ts'
import { ProgressBar } from './progress-bar.ts'
import { DriftText, driftJson } from './render-drift.ts'
import { scrubText } from './render-scrub.ts'

export interface ScrubFlags extends CommonFlags {
  readonly once: boolean
  readonly json: boolean
  readonly tag?: readonly string[]
}

/**
 * Exit 1 when a build could not be read or a key could not be made equal, 4 when something is held, 3 when a difference was found (seen
 * to by now), else 0. Without `--once` and `--tag` it ends by a signal, with 0.
 */
export function scrubCommand(around: Surroundings, flags: ScrubFlags): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    // Where people look on: elsewhere it would be noise between the lines.
    const bar = around.stderr.isTTY === true ? new ProgressBar(around.stderr) : null
    let code: number = EXIT.ok
    const options = { once: flags.once, tags: flags.tag ?? [] }
    try {
      for await (const news of operations.scrub(options, signal)) {
        if (news.kind === 'progress') {
          bar?.show(news.done / Math.max(1, news.total), `${news.done} of ${news.total} builds`)
          continue
        }
        bar?.clear()
        if (news.kind === 'difference') {
          if (flags.json) around.stdout.write(driftJson(news.drift))
          else around.stdout.write(driftText(news.drift))
          continue
        }
        if (!flags.json) around.stdout.write(scrubText(news.report))
        code = scrubCode(news.report)
      }
    } finally {
      bar?.clear()
    }
    return code
  })
}

function scrubCode(report: ScrubReport): number {
  const { failed, differences, heldKeys } = report
  if (failed > 0 || hasFailed(report)) return EXIT.error
  if (heldKeys > 0) return EXIT.held
  return differences.drift + differences.queued + differences.parked > 0 ? EXIT.drift : EXIT.ok
}

function driftText(drift: Drift): string {
  const text = new DriftText()
  text.add(drift)
  return text.text()
}
