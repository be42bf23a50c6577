import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Config } from '../config/config.ts'
import { ConfigError, OutageError, SyncError } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { RefreshNews } from '../model/upkeep.ts'
import { listDaemons } from '../staging/daemons.ts'
import type { Database } from '../staging/database.ts'
import { markUnlessQueued } from './healing.ts'
import { News } from './news.ts'
import { refuseUnsafeStorage } from './run.ts'
import type { World } from './world.ts'

/** Seconds since the snapshot of placement `in-place` was taken; null: there is none, or nothing tells. */
export async function snapshotAge(config: Pick<Config, 'inPlace'>): Promise<number | null> {
  const { stamp } = config.inPlace
  if (stamp === null) return null
  const found = await stat(stamp).catch(() => null)
  return found === null ? null : Math.max(0, (Date.now() - found.mtimeMs) / 1000)
}

/**
 * Has the configured program take the snapshot anew, while no daemon works; then every build that stands in it is looked at again, since
 * what staging had brought beside may be gone with the old one. What the program prints is passed on.
 *
 * Throws ConfigError SNAPSHOT_NO_COMMAND, SyncError SNAPSHOT_BUSY (a daemon runs), OutageError('storage') SNAPSHOT_FAILED.
 */
export async function* refreshSnapshot(world: World, signal: AbortSignal): AsyncGenerator<RefreshNews> {
  const { config } = world
  const { refreshCommand, refreshTimeoutMs, stamp } = config.inPlace
  const [program, ...args] = refreshCommand
  if (program === undefined)
    throw new ConfigError('SNAPSHOT_NO_COMMAND', 'in_place.refresh_command is not set')
  const engine = await world.engine()
  const { database } = engine
  const [daemon] = await listDaemons(database)
  if (daemon !== undefined)
    throw new SyncError(
      'SNAPSHOT_BUSY',
      `${daemon.host}:${daemon.pid} works with staging's tree; stop it, then ask again`,
    )
  const before = await snapshotAge(config)
  yield { kind: 'running', command: refreshCommand.join(' '), ageSeconds: before }
  const news = new News<RefreshNews>()
  const startedMs = Date.now()
  const done = news.until(() =>
    runProgram(program, args, {
      timeoutMs: refreshTimeoutMs,
      topdir: config.staging.topdir,
      signal,
      say: (line) => news.tell({ kind: 'said', line }),
    }),
  )
  yield* news.read()
  await done
  await refuseUnsafeStorage(world)
  await engine.deps.placement.probe()
  const after = await snapshotAge(config)
  // The stamp of an older day would be told as the age of this one.
  if (stamp !== null && (after === null || after * 1000 > Date.now() - startedMs + 60_000))
    throw failed(`${program} ended well, but ${stamp} was not touched`)
  const buildIds = await buildsInPlace(database)
  await markUnlessQueued(
    engine,
    buildIds.map((buildId): Key => ({ kind: 'build', buildId })),
  )
  yield { kind: 'end', ageSeconds: after, marked: buildIds.length }
}

async function buildsInPlace(database: Database): Promise<number[]> {
  const rows = await database.query<{ id: number }>(
    'snapshot.builds',
    `select distinct prod_build_id as id from staging_sync.placement where mode = 'in-place' and state = 'placed' order by 1`,
  )
  return rows.map(({ id }) => id)
}

function runProgram(
  program: string,
  args: readonly string[],
  options: {
    readonly timeoutMs: number
    readonly topdir: string
    readonly signal: AbortSignal
    readonly say: (line: string) => void
  },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = AbortSignal.timeout(options.timeoutMs)
    const child = spawn(program, args, {
      // Nothing of ours that is secret.
      env: { PATH: process.env.PATH ?? '', STAGING_TOPDIR: options.topdir },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: AbortSignal.any([options.signal, timeout]),
    })
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => options.say(line))
    child.on('error', (error) =>
      reject(
        failed(timeout.aborted ? `${program} took longer than allowed` : `${program}: ${error.message}`),
      ),
    )
    child.on('close', (code, by) => {
      if (code === 0) resolve()
      else reject(failed(`${program} ended with ${code === null ? `signal ${by}` : `code ${code}`}`))
    })
  })
}

function failed(text: string): OutageError {
  return new OutageError('storage', 'SNAPSHOT_FAILED', text)
}
