import { EXIT } from '../errors.ts'
import type { CatchUpEnd, CatchUpNews, CatchUpOptions } from '../model/operations.ts'
import { type CommonFlags, type Output, once, type Surroundings } from './commands.ts'
import { failureLines, hasFailed, openText } from './open-keys.ts'
import { ProgressBar } from './progress-bar.ts'

/**
 * Exit 1 when a key that was found could not be made equal, 4 when policy holds one, else 0: finding changes is no drift. A bar
 * on a terminal; elsewhere lines of JSON, the last one with `"kind":"end"`.
 */
export function catchUpCommand(
  around: Surroundings,
  flags: CommonFlags,
  options: CatchUpOptions,
): Promise<number> {
  return once(around, flags, async (operations, signal) => {
    const { stdout } = around
    const show = stdout.isTTY === true ? new CatchUpBar(stdout) : new JsonLines(stdout)
    let code: number = EXIT.error
    try {
      for await (const news of operations.catchUp(options, signal)) {
        show.tell(news)
        if (news.kind === 'end') code = codeOf(news.report)
      }
    } finally {
      show.end()
    }
    return code
  })
}

function codeOf(end: CatchUpEnd): number {
  if (hasFailed(end)) return EXIT.error
  return end.heldKeys > 0 ? EXIT.held : EXIT.ok
}

class JsonLines {
  readonly #output: Output
  constructor(output: Output) {
    this.#output = output
  }

  tell(news: CatchUpNews): void {
    const line = news.kind === 'end' ? { kind: news.kind, ...news.report } : news
    this.#output.write(`${JSON.stringify(line)}\n`)
  }

  end(): void {}
}

class CatchUpBar {
  readonly #output: Output
  readonly #bar: ProgressBar
  #most = 0
  constructor(output: Output) {
    this.#output = output
    this.#bar = new ProgressBar(output)
  }

  tell(news: CatchUpNews): void {
    if (news.kind === 'finding') {
      const { source, done, of, rows, keys } = news
      this.#bar.show(done / of, `reading ${source}: ${rows} rows, ${keys} keys`)
    } else if (news.kind === 'converging') {
      this.#most = Math.max(this.#most, news.left, 1)
      this.#bar.show(1 - news.left / this.#most, `making equal: ${news.left} keys left`)
    } else {
      this.end()
      this.#output.write(endText(news.report))
    }
  }

  end(): void {
    this.#bar.clear()
  }
}

/** The last line, for people. */
function endText(end: CatchUpEnd): string {
  const { cursor, rows, keys, daemons } = end
  const who = daemons && keys > 0 ? ' by the daemon' : ''
  const found = keys === 0 ? 'nothing new' : `${keys} keys${who}`
  return `caught up with prod's event ${cursor}: ${found} in ${rows} rows${openText(end, '')}\n${failureLines(end)}`
}
