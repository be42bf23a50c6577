import { type BuildRow, findBuild } from './build-row.ts'
import type { Tx } from './transaction.ts'

/** tagBuildBypass: one row, one message. The package list is not looked at, as with force. */
export async function tagBuild(tx: Tx, tag: string | number, build: string | number): Promise<number> {
  const row = await findBuild(tx, build)
  const tagId = await tx.id('tag', tag)
  await tx.create('tag_listing', { tag_id: tagId, build_id: row.id })
  await announce(tx, 'tag', tagId, row)
  return tx.event()
}

/** untagBuildBypass. */
export async function untagBuild(tx: Tx, tag: string | number, build: string | number): Promise<number> {
  const row = await findBuild(tx, build)
  const tagId = await tx.id('tag', tag)
  const count = await tx.revoke('tag_listing', { tag_id: tagId, build_id: row.id })
  if (count === 0) throw new Error(`build ${build} not in tag ${tag}`)
  await announce(tx, 'untag', tagId, row)
  return tx.event()
}

/** tagBuildBypass with force: revoked and created in one event, one message (_direct_tag_build). */
export async function retagBuild(tx: Tx, tag: string | number, build: string | number): Promise<number> {
  const row = await findBuild(tx, build)
  const tagId = await tx.id('tag', tag)
  await tx.revoke('tag_listing', { tag_id: tagId, build_id: row.id })
  return tagBuild(tx, tagId, row.id)
}

/** moveBuild: untag and tag in one transaction. */
export async function moveBuild(
  tx: Tx,
  from: string | number,
  to: string | number,
  build: string | number,
): Promise<number> {
  await untagBuild(tx, from, build)
  return tagBuild(tx, to, build)
}

async function announce(tx: Tx, topic: 'tag' | 'untag', tagId: number, build: BuildRow): Promise<void> {
  tx.announce(topic, {
    tag: await tx.name('tag', tagId),
    tag_id: tagId,
    build_id: build.id,
    name: build.name,
    version: build.version,
    release: build.release,
    user: await tx.name('users', tx.userId),
    owner: build.owner,
  })
}
