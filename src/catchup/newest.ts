import { listBuilds } from '../hub/calls-build.ts'
import { listArchives, listRPMs } from '../hub/calls-content.ts'
import type { Call } from '../hub/hub.ts'
import { newestFirst } from '../hub/pages.ts'
import type { Key } from '../model/key.ts'
import type { ListedBuild } from '../model/records.ts'
import type { Timestamp } from '../model/time.ts'
import type { Tx } from '../staging/database.ts'
import { handleBuilds } from './builds.ts'
import { withoutCopiedContent } from './copied.ts'
import { remember } from './differences.ts'
import { before, lastReading, noteTop, topAt } from './overlap.ts'
import type { Run } from './run.ts'
import { buildKey } from './staging-builds.ts'

interface Numbered {
  readonly id: number
}

/** Things of prod that are found by their ids, which only grow. */
interface Source<R extends Numbered> {
  readonly name: string
  readonly method: string
  readonly call: (offset: number, limit: number) => Call<readonly R[]>
  /** Remembers rows; returns the keys of those that are new. */
  readonly find: (tx: Tx, rows: readonly R[], copiedEvent: number | null) => Promise<readonly Key[]>
}

const BUILDS: Source<ListedBuild> = {
  name: 'build-ids',
  method: 'listBuilds',
  call: (offset, limit) => listBuilds({}, { order: '-build_id', offset, limit }),
  find: handleBuilds,
}

const RPMS = contents('rpm-ids', 'listRPMs', 'rpminfo', (offset, limit) =>
  listRPMs({}, { order: '-id', offset, limit }),
)

const ARCHIVES = contents('archive-ids', 'listArchives', 'archiveinfo', (offset, limit) =>
  listArchives({}, { order: '-id', offset, limit }),
)

/** What builds consist of: imports add to a build that exists, and change nothing of its row. External rpms have no build. */
function contents<R extends Numbered & { readonly buildId: number | null }>(
  name: string,
  method: string,
  table: 'rpminfo' | 'archiveinfo',
  call: Source<R>['call'],
): Source<R> {
  return {
    name,
    method,
    call,
    find: async (tx, all, copiedEvent) => {
      const rows = await withoutCopiedContent(tx, table, all, copiedEvent)
      const ids = rows.map((row) => row.id).sort((a, b) => a - b)
      const fresh = new Set(await remember(tx, name, ids))
      return rows.flatMap((row) => (fresh.has(row.id) && row.buildId !== null ? [buildKey(row.buildId)] : []))
    },
  }
}

/** Sources whose ids `remember` keeps. */
export const REMEMBERED_IDS: readonly string[] = [RPMS.name, ARCHIVES.name]

export interface NewestOptions {
  readonly overlapMs: number
  /** instead of the last reading less the overlap; null: that */
  readonly since: Timestamp | null
}

/** New builds (also those that were completed in the past, as content generators may say), rpms and archives, by id. */
export async function readNewest(run: Run, options: NewestOptions): Promise<void> {
  await readSource(run, BUILDS, options)
  await readSource(run, RPMS, options)
  await readSource(run, ARCHIVES, options)
}

async function readSource<R extends Numbered>(
  run: Run,
  source: Source<R>,
  options: NewestOptions,
): Promise<void> {
  const downTo = await boundOf(run, source, options)
  let top: number | undefined
  const pages = newestFirst<R>({
    method: source.method,
    // Never read, and nothing copied: from here on. What is older comes when its build is synced.
    downTo: downTo ?? Number.MAX_SAFE_INTEGER,
    limit: downTo === null ? 1 : run.limits.pageRows,
    read: async (offset, limit) => {
      const [rows] = await run.read([source.call(offset, limit)])
      top ??= rows[0]?.id ?? 0
      return rows
    },
  })
  for await (const page of pages) {
    await run.commit(
      source.name,
      page.rows.length,
      (tx) => source.find(tx, page.rows, run.copiedEvent),
      page.last ? (tx) => noteTop(tx, run, source.name, top ?? 0) : undefined,
    )
  }
}

/** The id down to which the source is read, not itself; null: it begins now. */
async function boundOf(
  { database, now }: Run,
  { name }: { readonly name: string },
  { overlapMs, since }: NewestOptions,
): Promise<number | null> {
  const last = await lastReading(database, name)
  return last === null ? null : topAt(database, name, since ?? before(last, now.time, overlapMs))
}
