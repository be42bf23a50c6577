import { announceState, buildState, findBuild } from './build-row.ts'
import type { Tx } from './transaction.ts'

/** deleteBuild: state, signatures and checksums, taggings revoked, files; the rest stays (_delete_build). */
export async function deleteBuild(tx: Tx, build: string | number): Promise<void> {
  const row = await findBuild(tx, build)
  for (const table of ['rpmsigs', 'rpm_checksum']) {
    if (!tx.has(table, 'rpm_id')) continue
    await tx.rows(`DELETE FROM ${table} WHERE rpm_id IN (SELECT id FROM rpminfo WHERE build_id = $1)`, [
      row.id,
    ])
  }
  await tx.revoke('tag_listing', { build_id: row.id })
  await tx.rows('UPDATE build SET state = $2 WHERE id = $1', [row.id, buildState.deleted])
  await tx.tree?.removeBuild(row)
  announceState(tx, row, row.state, buildState.deleted)
}

/** resetBuild: content, types and all tag history are deleted; the build is cancelled, without an event (reset_build). */
export async function resetBuild(tx: Tx, build: string | number): Promise<void> {
  const row = await findBuild(tx, build)
  const rpms = 'SELECT id FROM rpminfo WHERE build_id = $1'
  const archives = 'SELECT id FROM archiveinfo WHERE build_id = $1'
  const drop = async (table: string, column: string, ids: string) => {
    if (tx.has(table, column)) await tx.rows(`DELETE FROM ${table} WHERE ${column} IN (${ids})`, [row.id])
  }
  for (const table of ['rpmsigs', 'buildroot_listing', 'archive_rpm_components', 'rpm_checksum']) {
    await drop(table, 'rpm_id', rpms)
  }
  await drop('rpminfo', 'build_id', 'SELECT $1::int')
  const typed = ['maven_archives', 'win_archives', 'image_archives', 'buildroot_archives']
  for (const table of [...typed, 'archive_rpm_components', 'archive_components']) {
    await drop(table, 'archive_id', archives)
  }
  await drop('archive_components', 'component_id', archives)
  for (const table of [
    'archiveinfo',
    'maven_builds',
    'win_builds',
    'image_builds',
    'build_types',
    'tag_listing',
  ]) {
    await drop(table, 'build_id', 'SELECT $1::int')
  }
  await tx.rows('UPDATE build SET state = $2, task_id = NULL, volume_id = 0 WHERE id = $1', [
    row.id,
    buildState.canceled,
  ])
  await tx.tree?.removeBuild(row)
  announceState(tx, { ...row, taskId: null }, row.state, buildState.canceled)
}
