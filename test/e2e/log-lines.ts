import { PATIENCE_MS } from '../support/patience.ts'

/** One line of a daemon's log, parsed. */
export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

export type Matches = (line: LogLine) => boolean

/** The log of a daemon, to be waited for. */
export class LogLines {
  readonly all: LogLine[] = []
  /** What was no JSON: stack traces of a process that died. */
  readonly other: string[] = []
  #rest = ''
  #ended = false
  readonly #waiting = new Set<() => void>()

  /** Takes output as it comes, also half lines. */
  write(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      try {
        this.all.push(JSON.parse(line) as LogLine)
      } catch {
        if (line !== '') this.other.push(line)
      }
    }
    for (const look of [...this.#waiting]) look()
  }

  /** No more comes: who still waits is told so. */
  end(): void {
    this.#ended = true
    for (const look of [...this.#waiting]) look()
  }

  count(matches: Matches): number {
    return this.all.filter(matches).length
  }

  /** The first line from index `from` on that matches; rejects when the log ends before, or in the end. */
  async until(what: string, matches: Matches, { from = 0 } = {}): Promise<LogLine> {
    let at = from
    let found: LogLine | undefined
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => {
        const last = this.all.slice(-8).map((line) => JSON.stringify(line).slice(0, 400))
        reject(new Error(`the log ${why} before: ${what}\n${[...last, ...this.other.slice(-8)].join('\n')}`))
      }
      const end = (settle: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        settle()
      }
      const look = (): void => {
        for (; at < this.all.length; at += 1) {
          if (!matches(this.all[at] as LogLine)) continue
          found = this.all[at]
          end(resolve)
          return
        }
        if (this.#ended) end(() => fail('ended'))
      }
      const timer = setTimeout(() => end(() => fail(`had nothing for ${PATIENCE_MS} ms`)), PATIENCE_MS)
      this.#waiting.add(look)
      look()
    })
    return found as LogLine
  }
}

/** Matches lines of an event, and those fields of it that are given. */
export function said(msg: string, fields: Record<string, unknown> = {}): Matches {
  return (line) =>
    line.msg === msg && Object.entries(fields).every(([name, value]) => Object.is(line[name], value))
}

/** Matches warnings and errors that carry an error with this code. */
export function saidCode(code: string): Matches {
  return (line) => (line.err as { code?: unknown } | undefined)?.code === code
}
