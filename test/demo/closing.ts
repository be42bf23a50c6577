import { spawn } from 'node:child_process'

/** How long one thing may take to close; what is left then is the guards' work. */
const closeMs = 8_000

/** Closes what was opened, last first, also when something of it fails or hangs. */
export class Closing {
  readonly #closers: (() => unknown)[] = []

  add(close: () => unknown): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, closeMs)
      })
      try {
        await Promise.race([close(), late])
      } catch (error) {
        console.error(`closing: ${error instanceof Error ? error.message : error}`)
      }
      clearTimeout(timer)
    }
  }
}

/** Remembers the last process id that it is told; when nobody is left to tell it, ends that process and removes directory $0. */
const guardScript = `
while read line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -TERM "$pid" 2>/dev/null
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null
fi
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  rm -rf "$0" && break
  sleep 0.2
done
`

/** What outlives us, in a session of its own that a Ctrl-C does not reach. */
export interface Guard {
  /** The process to be ended after us; null: it has ended. */
  watch(pid: number | null): void
  release(): void
}

/** Removes `directory` after us, and ends the process that it watches, however we end (SIGKILL too). */
export function guardDirectory(directory: string): Guard {
  const guard = spawn('sh', ['-c', guardScript, directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.on('error', () => {})
  guard.stdin.on('error', () => {})
  guard.unref()
  // The pipe must not keep us alive, only tell the guard when we are gone.
  ;(guard.stdin as unknown as { unref?(): void }).unref?.()
  return {
    watch: (pid) => void guard.stdin.write(`${pid ?? ''}\n`),
    release: () => void guard.stdin.end(),
  }
}
