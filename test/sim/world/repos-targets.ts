import type { Tx } from './transaction.ts'

/** createExternalRepo; Koji ends the URL with a slash. Returns the id. */
export async function addExternalRepo(tx: Tx, name: string, url: string): Promise<number> {
  const id = await tx.idOrNew('external_repo', name)
  await tx.create('external_repo_config', { external_repo_id: id, url: url.endsWith('/') ? url : `${url}/` })
  return id
}

/** editExternalRepo: a new URL is history, a new name is not. */
export async function editExternalRepo(
  tx: Tx,
  repo: string | number,
  change: { name?: string; url?: string },
): Promise<void> {
  const id = await tx.id('external_repo', repo)
  if (change.name) await tx.rows('UPDATE external_repo SET name = $2 WHERE id = $1', [id, change.name])
  if (!change.url) return
  await tx.revoke('external_repo_config', { external_repo_id: id })
  await tx.create('external_repo_config', { external_repo_id: id, url: change.url })
}

/** deleteExternalRepo: taken from all tags, then revoked. */
export async function deleteExternalRepo(tx: Tx, repo: string | number): Promise<void> {
  const id = await tx.id('external_repo', repo)
  await tx.revoke('tag_external_repos', { external_repo_id: id })
  await tx.revoke('external_repo_config', { external_repo_id: id })
}

/** addExternalRepoToTag, and editTagExternalRepo when it is there already. */
export async function addExternalRepoToTag(
  tx: Tx,
  tag: string | number,
  repo: string | number,
  settings: { priority: number; mergeMode?: string; arches?: string | null },
): Promise<void> {
  const key = { tag_id: await tx.id('tag', tag), external_repo_id: await tx.id('external_repo', repo) }
  await tx.revoke('tag_external_repos', key)
  await tx.create('tag_external_repos', {
    ...key,
    priority: settings.priority,
    merge_mode: settings.mergeMode ?? 'koji',
    arches: settings.arches ?? null,
  })
}

/** removeExternalRepoFromTag. */
export async function removeExternalRepoFromTag(
  tx: Tx,
  tag: string | number,
  repo: string | number,
): Promise<void> {
  const key = { tag_id: await tx.id('tag', tag), external_repo_id: await tx.id('external_repo', repo) }
  await tx.revoke('tag_external_repos', key)
}

/** createBuildTarget. Returns the id. */
export async function addTarget(
  tx: Tx,
  name: string,
  buildTag: string | number,
  destTag: string | number,
): Promise<number> {
  const id = await tx.idOrNew('build_target', name)
  await tx.create('build_target_config', await configRow(tx, id, buildTag, destTag))
  return id
}

/** editBuildTarget: always a new row, also for the same tags. */
export async function editTarget(
  tx: Tx,
  target: string | number,
  change: { name?: string; buildTag?: string | number; destTag?: string | number },
): Promise<void> {
  const id = await tx.id('build_target', target)
  if (change.name) await tx.rows('UPDATE build_target SET name = $2 WHERE id = $1', [id, change.name])
  const old = await tx.current('build_target_config', { build_target_id: id })
  if (!old) throw new Error(`no build target ${target}`)
  const row = await configRow(
    tx,
    id,
    change.buildTag ?? Number(old.build_tag),
    change.destTag ?? Number(old.dest_tag),
  )
  await tx.revoke('build_target_config', { build_target_id: id })
  await tx.create('build_target_config', row)
}

/** deleteBuildTarget. */
export async function deleteTarget(tx: Tx, target: string | number): Promise<void> {
  await tx.revoke('build_target_config', { build_target_id: await tx.id('build_target', target) })
}

async function configRow(tx: Tx, id: number, buildTag: string | number, destTag: string | number) {
  return {
    build_target_id: id,
    build_tag: await tx.id('tag', buildTag),
    dest_tag: await tx.id('tag', destTag),
  }
}
