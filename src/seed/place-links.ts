import { StopError } from '../errors.ts'
import type { PlacedBuild, Placement } from '../storage/placement.ts'
import type { Session } from './session.ts'

export interface PlaceLinksOptions {
  /** in the new database, for this alone */
  readonly session: Session
  readonly placementOf: (mode: string) => Placement
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, of: number) => void
}

type Intent = Pick<PlacedBuild, 'buildId' | 'name' | 'version' | 'release' | 'prodVolume' | 'stagingVolume'>

/** Of builds; those of one package share work, so more is better, and each takes memory. */
const PAGE = 50_000

/**
 * Places what many can be placed of at once: plain links of placement `volume`, of builds that `placeBuilds` recorded. Reads and writes nothing but
 * those records, so indexes can be made meanwhile. What it could not place stays recorded, for `placeFiles`. Returns how many it placed.
 */
export async function placeLinks(options: PlaceLinksOptions): Promise<number> {
  const { session, placementOf, signal, onProgress } = options
  const [count] = await session.query<{ of: number }>(
    'seed.links',
    `select count(*)::int as of from ${PLAIN}`,
  )
  // Without a mount of prod there is no such placement.
  if (count === undefined || count.of === 0) return 0
  const placement = placementOf('volume')
  const volumes = await session.query<{ name: string }>('seed.volumes', 'select name from volume')
  const formerVolumes = volumes.map(({ name }) => name)
  let [done, placed] = [0, 0]
  for (let after = 0; ; ) {
    if (signal.aborted) throw new StopError('SEED_STOPPED', 'the seed was given up')
    const page = await session.query<Intent>('seed.link-page', INTENTS, [after, PAGE])
    const last = page.at(-1)
    if (last === undefined) return placed
    after = last.buildId
    const whole = page.map((build) => ({
      ...build,
      files: [],
      sigkeys: [],
      formerVolumes,
      withoutFiles: false,
    }))
    const others = new Set(((await placement.placeMany?.(whole)) ?? page).map(({ buildId }) => buildId))
    const good = page.filter(({ buildId }) => !others.has(buildId)).map(({ buildId }) => buildId)
    await session.change('seed.linked', LINKED, [good])
    placed += good.length
    done += page.length
    onProgress?.(done, count.of)
  }
}

const PLAIN = `staging_sync.placement p where p.state = 'intent' and p.mode = 'volume'`

const INTENTS = `
  select p.prod_build_id as "buildId", p.name, p.version, p.release, p.prod_volume as "prodVolume", p.staging_volume as "stagingVolume"
    from ${PLAIN} and p.prod_build_id > $1
   order by p.prod_build_id limit $2`

const LINKED = `
  update staging_sync.placement set state = 'placed', changed_at = clock_timestamp() where prod_build_id = any($1::bigint[])`
