import type { ProdWorld } from '../sim/prod-world.ts'
import type { BuildSpec } from '../sim/world/builds.ts'
import type { ContentIds } from '../sim/world/content.ts'

/** Key that prod signs with. */
export const sigkey = '31645531'

const rpms = ['src', 'x86_64', 'aarch64'].map((arch) => ({ arch, checksums: true }))

/** What an rpm build consists of. */
export const rpmContent = { rpms }

/** What a maven build consists of. */
export const mavenContent: Partial<BuildSpec> = {
  maven: { groupId: 'org.apache', artifactId: 'ant', version: '1.10.15' },
  archives: [
    {
      filename: 'ant-1.10.15.jar',
      type: 'jar',
      btype: 'maven',
      maven: { groupId: 'org.apache', artifactId: 'ant', version: '1.10.15' },
    },
  ],
}

/** What stands in prod before staging begins to follow: tags with settings, builds with files, signatures. */
export async function fillProd(world: ProdWorld): Promise<void> {
  await world.addTag('f44', { arches: 'x86_64 aarch64', extra: { 'mock.package_manager': 'dnf5' } })
  await world.addTag('f44-updates', { parent: 'f44' })
  await world.addTag('f44-build', { parent: 'f44', arches: 'x86_64 aarch64' })
  await world.addGroup('f44-build', 'build', { description: 'what every buildroot has' })
  for (const name of ['bash', 'make']) await world.addGroupPackage('f44-build', 'build', name)
  await world.addExternalRepo('epel', 'https://prod.example.org/epel/$arch/')
  await world.addExternalRepoToTag('f44-build', 'epel', { priority: 10 })
  await world.addTarget('f44', 'f44-build', 'f44-updates')
  for (const name of ['bash', 'make', 'ant', 'kernel']) await world.addPackage('f44', name)

  for (const release of ['1.fc44', '2.fc44', '3.fc44']) {
    const bash = await world.importBuild({ name: 'bash', version: '5.3', release, ...rpmContent })
    await sign(world, bash)
    await world.tagBuild('f44', bash.id)
  }
  const make = await world.importBuild({ name: 'make', version: '4.4.1', release: '11.fc44', ...rpmContent })
  await sign(world, make)
  await world.tagBuild('f44', make.id)
  const image = await world.importBuild({
    name: 'fedora-cloud',
    version: '44',
    release: '1',
    image: true,
    cg: 'imagebuilder',
    extra: { typeinfo: { image: { arch: 'x86_64' } } },
    archives: [
      {
        filename: 'cloud.qcow2',
        type: 'qcow2',
        btype: 'image',
        size: 50_000,
        image: { arch: 'x86_64' },
        rpmComponents: make.rpms,
      },
    ],
  })
  await world.addPackage('f44', 'fedora-cloud')
  await world.tagBuild('f44', image.id)
  await world.importBuild({ name: 'kernel', version: '6.18', release: '1.fc44', draft: true, ...rpmContent })
}

/** Signs all rpms of a build. */
export async function sign(world: ProdWorld, build: ContentIds): Promise<void> {
  for (const rpm of build.rpms) await world.signRpm(rpm, sigkey, { checksums: true })
}

/** Ids of a build's rpms. */
export async function rpmsOf(world: ProdWorld, nvr: string): Promise<number[]> {
  const rows = await world.rows(
    `SELECT r.id FROM rpminfo r JOIN build b ON b.id = r.build_id JOIN package p ON p.id = b.pkg_id
     WHERE p.name || '-' || b.version || '-' || b.release = $1 ORDER BY r.id`,
    [nvr],
  )
  return rows.map((row) => Number(row.id))
}

/** A line about what prod holds. */
export async function describeProd(world: ProdWorld): Promise<string> {
  const [row = {}] = await world.rows(`SELECT (SELECT count(*) FROM tag) AS tags,
    (SELECT count(*) FROM build WHERE state = 1) AS builds, (SELECT count(*) FROM rpminfo) AS rpms,
    (SELECT count(*) FROM archiveinfo) AS archives, (SELECT count(*) FROM rpmsigs WHERE sigkey <> '') AS signatures`)
  return Object.entries(row)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')
}
