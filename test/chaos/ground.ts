import type { E2eWorld } from '../e2e/world.ts'
import type { KojiView } from './koji-view.ts'

const KEY = 'aaaa0001'

/** A Koji to begin with: something of every kind, so that whatever is drawn finds something to act on. */
export async function layGround({ prod, local, kept }: E2eWorld, view: KojiView): Promise<boolean> {
  for (const koji of [prod, local]) {
    const [row] = await koji.rows('select current_database() as name')
    // Who waits for a transaction that is held open would wait for ever.
    await koji.rows(`alter database ${String(row?.name)} set lock_timeout = '300ms'`)
  }
  if ((await view.users()).length > 0) return false
  for (const user of ['user1', 'user2']) await prod.addUser(user)
  await prod.addTag('tag1', { arches: 'x86_64', extra: { 'mock.new_chroot': 1 } })
  await prod.addTag('tag2', { arches: 'x86_64 aarch64', parent: 'tag1' })
  await prod.addTag('tag3', { parent: 'tag2' })
  await prod.addTarget('target0', 'tag1', 'tag2')
  await prod.addExternalRepo('epel', 'https://example.org/epel/')
  await prod.addExternalRepoToTag('tag1', 'epel', { priority: 5 })
  await prod.addGroup('tag1', 'build', {})
  await prod.addGroupPackage('tag1', 'build', 'bash', {})
  const rpms = [{ arch: 'src' }, { arch: 'x86_64', checksums: true }]
  for (const name of ['bash', 'vim', 'app']) await prod.addPackage('tag1', name)
  for (const [name, release] of [
    ['bash', '1'],
    ['bash', '2'],
    ['bash', '3'],
    ['vim', '1'],
  ] as const) {
    const build = await prod.importBuild({ name, version: '1', release, rpms })
    await prod.tagBuild('tag1', build.id)
    await prod.signRpm(build.rpms[0] as number, KEY, { checksums: true })
  }
  await prod.tagBuild('tag3', 'bash-1-2')
  await prod.tagBuild('tag3', 'bash-1-1')
  const maven = { groupId: 'org.example', artifactId: 'app', version: '1' }
  const app = await prod.importBuild({
    name: 'app',
    version: '1',
    release: '1',
    maven,
    archives: [{ filename: 'a-1.jar', type: 'jar', btype: 'maven', maven }],
  })
  await prod.tagBuild('tag1', app.id)
  await prod.importBuild({ name: 'vim', version: '1', release: '2', rpms, draft: true })
  await prod.importBuild({ name: 'zsh', version: '1', release: '1', rpms, volume: 'archive' })
  kept.length = 0
  return true
}
