import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { serverCopy } from './reachable-postgres.ts'
import { scratchHomes } from './scratch.ts'

/** Data directories are named `<prefix><owner pid>-<random>`, so that a later run knows whose they were. */
export const clusterDirPrefix = 'koji-test-pg-'

/** Waits for its standard input to end, then ends the postmaster of directory $0, removes it and the copy of the server $1. */
const guardScript = `
cat >/dev/null
pid=$(head -n 1 "$0/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
fi
rm -rf "$0" "$1"
`

/**
 * Starts a small process in a session of its own that outlives us, however we die (Ctrl-C, SIGKILL), and then
 * ends the cluster in `dataDir` and removes the directory. Returns a function that lets it go, after we did so ourselves.
 */
export function guardCluster(dataDir: string): () => void {
  const guard = spawn('sh', ['-c', guardScript, dataDir, serverCopy(dataDir)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guard.on('error', () => {})
  guard.stdin.on('error', () => {})
  guard.unref()
  // The pipe must not keep us alive, only tell the guard when we are gone.
  ;(guard.stdin as unknown as { unref?(): void }).unref?.()
  return () => guard.stdin.end()
}

/** Ends and removes the clusters of runs whose process is gone and whose guard was killed too. */
export function removeDeadClusters(): void {
  const found = scratchHomes().flatMap((home) => readdirSync(home).map((name) => ({ home, name })))
  for (const { home, name } of found) {
    const owner = name.startsWith(clusterDirPrefix)
      ? Number.parseInt(name.slice(clusterDirPrefix.length), 10)
      : 0
    if (!owner || isAlive(owner)) continue
    const dataDir = join(home, name)
    const postmaster = postmasterPid(dataDir)
    if (postmaster && isPostmasterOf(postmaster, dataDir)) {
      try {
        process.kill(postmaster, 'SIGQUIT')
      } catch {
        // It ended meanwhile, or belongs to another user; then its directory cannot be removed either.
      }
    }
    try {
      rmSync(dataDir, { recursive: true, force: true })
    } catch {
      // Another user's.
    }
  }
}

/** The process id in the first line of postmaster.pid, or undefined when the cluster does not run. */
export function postmasterPid(dataDir: string): number | undefined {
  const file = join(dataDir, 'postmaster.pid')
  try {
    return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A recycled process id must not get a signal that was meant for a postmaster. */
function isPostmasterOf(pid: number, dataDir: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(dataDir)
  } catch {
    return false
  }
}
