import type { Tx } from './transaction.ts'

/** Build states (koji.BUILD_STATES). */
export const buildState = { building: 0, complete: 1, deleted: 2, failed: 3, canceled: 4 } as const

/** A build as the world's actions speak of it. */
export interface BuildRow {
  id: number
  name: string
  version: string
  release: string
  epoch: number | null
  state: number
  draft: boolean
  volume: string
  owner: string
  taskId: number | null
}

/** A build by id or NVR. Throws when there is none. */
export async function findBuild(tx: Tx, build: number | string): Promise<BuildRow> {
  const key = typeof build === 'number' ? 'b.id = $1' : "p.name || '-' || b.version || '-' || b.release = $1"
  const draft = tx.has('build', 'draft') ? 'b.draft' : 'FALSE AS draft'
  const [row] = await tx.rows(
    `SELECT b.id, p.name, b.version, b.release, b.epoch, b.state, ${draft}, v.name AS volume, u.name AS owner,
       b.task_id AS "taskId"
     FROM build b JOIN package p ON p.id = b.pkg_id JOIN volume v ON v.id = b.volume_id
     JOIN users u ON u.id = b.owner WHERE ${key}`,
    [build],
  )
  if (!row) throw new Error(`no build ${build}`)
  return row as unknown as BuildRow
}

/** Names of the tags that a build is in. */
export async function tagsOf(tx: Tx, buildId: number): Promise<number[]> {
  const rows = await tx.rows('SELECT tag_id FROM tag_listing WHERE active = TRUE AND build_id = $1', [
    buildId,
  ])
  return rows.map((row) => Number(row.tag_id))
}

/** Announces a change of state. */
export function announceState(tx: Tx, build: BuildRow, old: number | null, state: number): void {
  tx.announce('build.state.change', {
    attribute: 'state',
    old,
    new: state,
    build_id: build.id,
    name: build.name,
    version: build.version,
    release: build.release,
    epoch: build.epoch,
    task_id: build.taskId,
    request: null,
    owner: build.owner,
  })
}
