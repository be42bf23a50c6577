import { announceState, type BuildRow, buildState, findBuild, tagsOf } from './build-row.ts'
import { type ArchiveSpec, addContent, addType, type ContentIds, type RpmSpec } from './content.ts'
import type { Row, Tx } from './transaction.ts'

/** A build to be made. */
export interface BuildSpec {
  name: string
  version: string
  /** Of a draft: the release that it will have when promoted. */
  release: string
  epoch?: number | null
  /** Name of a user; default the one who acts. */
  owner?: string
  source?: string | null
  extra?: unknown
  /** Name of the volume, made when new. */
  volume?: string
  draft?: boolean
  /** Name of the content generator, made when new. */
  cg?: string
  /** Times as PostgreSQL reads them; default now. */
  startTime?: string | null
  completionTime?: string
  maven?: { groupId: string; artifactId: string; version: string }
  win?: { platform: string }
  image?: boolean
  rpms?: RpmSpec[]
  archives?: ArchiveSpec[]
}

/** What a new build got. */
export interface NewBuild extends ContentIds {
  id: number
  /** Of a draft with its `,draft_<id>`. */
  nvr: string
}

/** A complete build at once: import, or a content generator's CGImport. */
export async function importBuild(tx: Tx, spec: BuildSpec): Promise<NewBuild> {
  const build = await newBuild(tx, spec, buildState.complete)
  const ids = await fillBuild(tx, build, spec)
  announceState(tx, build, null, buildState.complete)
  return { id: build.id, nvr: nvr(build), ...ids }
}

/** A build that a task, or CGInitBuild, has begun. */
export async function startBuild(tx: Tx, spec: BuildSpec): Promise<NewBuild> {
  const build = await newBuild(tx, spec, buildState.building)
  announceState(tx, build, null, buildState.building)
  return { id: build.id, nvr: nvr(build), rpms: [], archives: [], digests: [] }
}

/** completeBuild: content and state in one transaction. */
export async function completeBuild(
  tx: Tx,
  build: string | number,
  content: Pick<BuildSpec, 'maven' | 'win' | 'image' | 'rpms' | 'archives'> = {},
): Promise<ContentIds> {
  const row = await findBuild(tx, build)
  const ids = await fillBuild(tx, row, content)
  await end(tx, row, buildState.complete)
  return ids
}

/** failBuild. */
export async function failBuild(tx: Tx, build: string | number): Promise<void> {
  await end(tx, await findBuild(tx, build), buildState.failed)
}

/** cancelBuild of a build that is being made. */
export async function cancelBuild(tx: Tx, build: string | number): Promise<void> {
  const row = await findBuild(tx, build)
  await end(tx, row, buildState.canceled)
  await tx.rows('DELETE FROM build_reservations WHERE build_id = $1', [row.id])
}

async function end(tx: Tx, build: BuildRow, state: number): Promise<void> {
  if (build.state !== buildState.building) throw new Error(`build ${nvr(build)} is not being built`)
  await tx.rows('UPDATE build SET state = $2, completion_time = now() WHERE id = $1', [build.id, state])
  announceState(tx, build, build.state, state)
}

/** A new build with the NVR of a failed or cancelled one: same id, everything else anew (recycle_build). */
export async function recycleBuild(
  tx: Tx,
  old: string | number,
  spec: Partial<BuildSpec> = {},
): Promise<BuildRow> {
  const build = await findBuild(tx, old)
  const reusable: number[] = [buildState.failed, buildState.canceled]
  if (!reusable.includes(build.state)) throw new Error(`build ${nvr(build)} exists`)
  const [used] = await tx.rows(
    `SELECT 1 FROM tag_listing WHERE build_id = $1 UNION ALL SELECT 1 FROM rpminfo WHERE build_id = $1
     UNION ALL SELECT 1 FROM archiveinfo WHERE build_id = $1`,
    [build.id],
  )
  if (used) throw new Error(`build ${nvr(build)} has history or content`)
  for (const table of ['maven_builds', 'win_builds', 'image_builds', 'build_types']) {
    await tx.rows(`DELETE FROM ${table} WHERE build_id = $1`, [build.id])
  }
  await tx.tree?.removeBuild(build)
  await tx.rows(
    `UPDATE build SET state = 0, task_id = NULL, owner = $2, start_time = now(), completion_time = NULL, epoch = $3,
       source = $4, extra = $5, volume_id = $6, create_event = get_event() WHERE id = $1`,
    [
      build.id,
      spec.owner ? await tx.id('users', spec.owner) : tx.userId,
      spec.epoch ?? null,
      spec.source ?? null,
      spec.extra === undefined ? null : JSON.stringify(spec.extra),
      await tx.idOrNew('volume', spec.volume ?? 'DEFAULT'),
    ],
  )
  const now = await findBuild(tx, build.id)
  announceState(tx, now, build.state, buildState.building)
  return now
}

/** promoteBuild: same id, the release without its draft part (_promote_build). The message names nothing. */
export async function promoteBuild(tx: Tx, build: string | number): Promise<string> {
  const draft = await findBuild(tx, build)
  if (!draft.draft || draft.state !== buildState.complete)
    throw new Error(`build ${nvr(draft)} cannot be promoted`)
  await tx.rows(
    'UPDATE build SET draft = FALSE, release = $2, promoter = $3, promotion_time = now() WHERE id = $1',
    [draft.id, draft.release.replace(/,draft_\d+$/, ''), tx.userId],
  )
  const promoted = await findBuild(tx, draft.id)
  await tx.tree?.promote(draft, promoted)
  for (const tag of await tagsOf(tx, draft.id)) await tx.tagUpdate(tag, 3)
  tx.announce('build.promote', {})
  return nvr(promoted)
}

/** changeBuildVolume: row, files and link; its tags are noted as changed. Fedora's bus says nothing since 2019. */
export async function changeVolume(tx: Tx, build: string | number, volume: string): Promise<void> {
  const row = await findBuild(tx, build)
  await tx.rows('UPDATE build SET volume_id = $2 WHERE id = $1', [row.id, await tx.idOrNew('volume', volume)])
  await tx.tree?.changeVolume(row, volume)
  for (const tag of await tagsOf(tx, row.id)) await tx.tagUpdate(tag, 0)
}

/** setBuildOwner. */
export async function setBuildOwner(tx: Tx, build: string | number, owner: string): Promise<void> {
  const row = await findBuild(tx, build)
  await tx.rows('UPDATE build SET owner = $2 WHERE id = $1', [row.id, await tx.id('users', owner)])
}

/** setBuildTimestamp: any completion time. */
export async function setBuildTimestamp(tx: Tx, build: string | number, time: string): Promise<void> {
  await tx.rows('UPDATE build SET completion_time = $2 WHERE id = $1', [
    (await findBuild(tx, build)).id,
    time,
  ])
}

async function newBuild(tx: Tx, spec: BuildSpec, state: number): Promise<BuildRow> {
  const [next] = await tx.rows("SELECT nextval('build_id_seq')::int AS id, now()::text AS now")
  const id = Number(next?.id)
  const row: Row = {
    id,
    pkg_id: await tx.idOrNew('package', spec.name),
    version: spec.version,
    release: spec.draft ? `${spec.release},draft_${id}` : spec.release,
    epoch: spec.epoch ?? null,
    source: spec.source ?? null,
    create_event: await tx.event(),
    start_time: spec.startTime === undefined ? next?.now : spec.startTime,
    completion_time: state === buildState.building ? null : (spec.completionTime ?? next?.now),
    state,
    task_id: null,
    owner: spec.owner ? await tx.id('users', spec.owner) : tx.userId,
    cg_id: spec.cg ? await tx.idOrNew('content_generator', spec.cg) : null,
    volume_id: await tx.idOrNew('volume', spec.volume ?? 'DEFAULT'),
    extra: spec.extra === undefined ? null : JSON.stringify(spec.extra),
    draft: spec.draft ?? false,
  }
  await tx.insert('build', row)
  return findBuild(tx, id)
}

async function fillBuild(tx: Tx, build: BuildRow, spec: Partial<BuildSpec>): Promise<ContentIds> {
  const types = [
    ...(spec.rpms?.length ? ['rpm'] : []),
    ...(['maven', 'win', 'image'] as const).filter((type) => spec[type]),
  ]
  for (const type of types) await addType(tx, build.id, await tx.id('btype', type))
  if (spec.maven) {
    const { groupId, artifactId, version } = spec.maven
    await tx.insert('maven_builds', {
      build_id: build.id,
      group_id: groupId,
      artifact_id: artifactId,
      version,
    })
  }
  if (spec.win) await tx.insert('win_builds', { build_id: build.id, platform: spec.win.platform })
  if (spec.image) await tx.insert('image_builds', { build_id: build.id })
  const ids = await addContent(tx, build, spec.rpms, spec.archives)
  if (spec.cg) await tx.tree?.putFile(build, 'metadata.json', metadata(build, spec, ids))
  await tx.tree?.linkFromDefault(build)
  return ids
}

/** What a content generator handed in; the only place that names an archive's subdir. */
function metadata(build: BuildRow, spec: Partial<BuildSpec>, ids: ContentIds): Buffer {
  const output = (spec.archives ?? []).map(({ filename, type, btype, subdir, extra }, i) => ({
    filename,
    type,
    checksum: ids.digests[i],
    ...(subdir === undefined ? {} : { subdir }),
    extra: { typeinfo: { [btype]: {} }, ...(typeof extra === 'object' ? extra : {}) },
  }))
  const { name, version, release } = build
  const document = { metadata_version: 0, build: { name, version, release }, buildroots: [], output }
  return Buffer.from(JSON.stringify(document, null, 1))
}

function nvr(build: { name: string; version: string; release: string }): string {
  return `${build.name}-${build.version}-${build.release}`
}
