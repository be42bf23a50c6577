import { spawn } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Config } from '../config/config.ts'
import { ConfigError, OutageError, StopError, SyncError } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { Event } from '../model/tag-records.ts'
import type { RefreshNews } from '../model/upkeep.ts'
import { listDaemons } from '../staging/daemons.ts'
import type { Database } from '../staging/database.ts'
import { writeSetting } from '../staging/settings.ts'
import { markUnlessQueued } from './healing.ts'
import { News } from './news.ts'
import { readLastEvent } from './prod-facts.ts'
import { refuseUnsafeStorage } from './run.ts'
import type { World } from './world.ts'

/** A program that does not end when it is told to is killed after so long. */
const KILL_AFTER_MS = 20_000

/** Seconds since the snapshot of placement `in-place` was taken; null: there is none, or nothing tells. */
export async function snapshotAge(config: Pick<Config, 'inPlace'>): Promise<number | null> {
  const { stamp } = config.inPlace
  if (stamp === null) return null
  const found = await stat(stamp).catch(() => null)
  return found === null ? null : Math.max(0, (Date.now() - found.mtimeMs) / 1000)
}

/**
 * Has the configured program take the snapshot anew, while no daemon works; then every build that stands in it is looked at again, since
 * what staging had brought beside may be gone with the old one. What the program prints is passed on. Prod's last event, asked for before the
 * program begins, is recorded (`snapshot_event`): what prod completed later the new tree may lack, and that is fetched first.
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
  // Before: what is committed while the program runs may be in the tree or not.
  const event = await readLastEvent(world.hub())
  yield { kind: 'running', command: refreshCommand.join(' '), ageSeconds: before }
  const news = new News<RefreshNews>()
  const startedMs = Date.now()
  const done = news.until(() =>
    runProgram(program, args, {
      timeoutMs: refreshTimeoutMs,
      topdir: config.staging.topdir,
      event,
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
  await database.transaction('snapshot.event', (tx) =>
    writeSetting(tx, 'snapshot_event', `${event.id} ${event.time}`),
  )
  const builds = await buildsInPlace(database, event)
  const newer = builds.filter(({ isNewer }) => isNewer)
  await engine.queue.mark(newer.map(({ id }) => ({ key: keyOf(id), priority: 'live' })))
  await markUnlessQueued(
    engine,
    builds.map(({ id }) => keyOf(id)),
  )
  yield { kind: 'end', ageSeconds: after, event: event.id, newer: newer.length, marked: builds.length }
}

function keyOf(buildId: number): Key {
  return { kind: 'build', buildId }
}

/** `isNewer`: prod completed it after the event. */
async function buildsInPlace(
  database: Database,
  { time }: Event,
): Promise<{ readonly id: number; readonly isNewer: boolean }[]> {
  return database.query(
    'snapshot.builds',
    `select p.prod_build_id as id, coalesce(bool_or(b.completion_time > $1::timestamp), false) as "isNewer"
       from staging_sync.placement p
       left join staging_sync.owned o on o.kind = 'build' and o.prod_id = p.prod_build_id
       left join build b on b.id = coalesce(o.staging_id, p.prod_build_id)
      where p.mode = 'in-place' and p.state = 'placed' group by 1 order by 1`,
    [time],
  )
}

/** Throws OutageError SNAPSHOT_FAILED; StopError when it was stopped, and has ended. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: {
    readonly timeoutMs: number
    readonly topdir: string
    readonly event: Event
    readonly signal: AbortSignal
    readonly say: (line: string) => void
  },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = AbortSignal.timeout(options.timeoutMs)
    const child = spawn(program, args, {
      // Nothing of ours that is secret.
      env: {
        PATH: process.env.PATH ?? '',
        STAGING_TOPDIR: options.topdir,
        PROD_EVENT: String(options.event.id),
        PROD_EVENT_TIME: options.event.time,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: AbortSignal.any([options.signal, timeout]),
    })
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => options.say(line))
    let killing: NodeJS.Timeout | undefined
    child.on('error', (error) => {
      if (error.name !== 'AbortError') return reject(failed(`${program}: ${error.message}`))
      // It may hold a snapshot half taken: what it still does is waited for.
      killing = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS)
    })
    // Not its end of the pipes: what it has started may hold those for ever.
    child.on('exit', (code) => {
      clearTimeout(killing)
      if (code === 0) return
      if (options.signal.aborted) reject(new StopError('STOPPED', `${program} was ended: stopped`))
      else if (timeout.aborted) reject(failed(`${program} took longer than allowed`))
    })
    child.on('close', (code, by) => {
      if (code === 0) resolve()
      else reject(failed(`${program} ended with ${code === null ? `signal ${by}` : `code ${code}`}`))
    })
  })
}

function failed(text: string): OutageError {
  return new OutageError('storage', 'SNAPSHOT_FAILED', text)
}
