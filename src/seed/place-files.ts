import { AgainError, asError, KeyError, StopError } from '../errors.ts'
import type { Placement } from '../storage/placement.ts'
import type { Session } from './session.ts'

export interface PlaceFilesOptions {
  /** in the new database */
  readonly session: Session
  readonly placementOf: (mode: string) => Placement
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, of: number) => void
}

export interface PlacedFiles {
  readonly placed: number
  /** builds of placements that have bytes of their own to bring: the daemon does that, after the swap */
  readonly later: number
  /** builds whose files could not be placed, the first ones with why; the daemon tries them again */
  readonly failed: number
  readonly examples: readonly string[]
}

interface Intent {
  readonly buildId: number
  readonly name: string
  readonly version: string
  readonly release: string
  readonly prodVolume: string
  readonly stagingVolume: string
  readonly mode: string
  readonly withoutFiles: boolean
}

const PAGE = 5_000
const AT_A_TIME = 32
const MAX_EXAMPLES = 20

/**
 * Places the files of all builds that the reset recorded and that `placeLinks` has not placed, before the new database is used: the running one sees the same links, and
 * ignores them. What a build's own files are at fault for is left as recorded (`intent`), which a daemon sees to; a sick disk throws
 * OutageError('storage').
 */
export async function placeFiles(options: PlaceFilesOptions): Promise<PlacedFiles> {
  const { session, placementOf, signal, onProgress } = options
  const [count] = await session.query<{ of: number }>(
    'seed.places',
    `select count(*) as of from staging_sync.placement where state = 'intent'`,
  )
  const of = count?.of ?? 0
  const volumes = await session.query<{ name: string }>('seed.volumes', 'select name from volume')
  const formerVolumes = volumes.map(({ name }) => name)
  let done = 0
  let later = 0
  let placed = 0
  const examples: string[] = []
  for (let after = 0; ; ) {
    const page = await session.query<Intent>('seed.place-page', INTENTS, [after, PAGE])
    const last = page.at(-1)
    if (last === undefined) break
    after = last.buildId
    const good: number[] = []
    const queue = page.values()
    let failed = false
    const work = async (): Promise<void> => {
      for (const build of queue) {
        if (failed) return
        if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
        try {
          if (build.mode === 'volume') {
            await placementOf(build.mode).place({ ...build, files: [], sigkeys: [], formerVolumes }, signal)
            good.push(build.buildId)
          } else later += 1
        } catch (error) {
          // A race that was lost again and again is that build's, too: staging's hub, or a daemon, is at work there.
          if (!(error instanceof KeyError || error instanceof AgainError)) {
            failed = true
            throw error
          }
          if (examples.length < MAX_EXAMPLES) {
            examples.push(`${build.name}-${build.version}-${build.release}: ${asError(error).message}`)
          }
        }
        done += 1
      }
    }
    // Nothing is placed any more when the first error is told.
    const ends = await Promise.allSettled(Array.from({ length: AT_A_TIME }, work))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    await session.change(
      'seed.placed',
      `update staging_sync.placement set state = 'placed', changed_at = clock_timestamp()
        where prod_build_id = any($1::bigint[])`,
      [good],
    )
    placed += good.length
    onProgress?.(done, of)
  }
  return { placed, later, failed: of - placed - later, examples }
}

const INTENTS = `
  select p.prod_build_id as "buildId", p.name, p.version, p.release, p.prod_volume as "prodVolume",
         p.staging_volume as "stagingVolume", p.mode,
         not exists (select 1 from rpminfo r where r.build_id = p.prod_build_id)
           and not exists (select 1 from archiveinfo a where a.build_id = p.prod_build_id) as "withoutFiles"
    from staging_sync.placement p
   where p.state = 'intent' and p.prod_build_id > $1
   order by p.prod_build_id limit $2`
