import { createHash } from 'node:crypto'
import { type BuildRow, findBuild, tagsOf } from './build-row.ts'
import { md5, rpmOfSize } from './rpm-bytes.ts'
import type { Tx } from './transaction.ts'
import { madeUpBytes, nvra } from './tree.ts'

/** An rpm to be made; name, version and release are the build's unless given. */
export interface RpmSpec {
  arch: string
  name?: string
  version?: string
  release?: string
  epoch?: number | null
  size?: number
  buildtime?: number
  extra?: unknown
  metadataOnly?: boolean
  /** Rows in rpm_checksum, as the hub makes them when somebody asks. */
  checksums?: boolean
}

/** An archive to be made. */
export interface ArchiveSpec {
  filename: string
  /** Name of the archive type, e.g. jar, qcow2. */
  type: string
  /** Name of the build type: maven, win, image or another (made when new). */
  btype: string
  size?: number
  extra?: unknown
  metadataOnly?: boolean
  maven?: { groupId: string; artifactId: string; version: string }
  win?: { relpath: string; platforms: string; flags?: string | null }
  image?: { arch: string }
  /** Directory below files/<btype>; only the file system knows it. */
  subdir?: string
  /** Ids of rpms and archives that it contains. */
  rpmComponents?: number[]
  archiveComponents?: number[]
}

/** Content of a build: ids in the order given. */
export interface ContentIds {
  rpms: number[]
  archives: number[]
  /** sha256 of the archives */
  digests: string[]
}

/** Adds rpms and archives to a build, rows and files. */
export async function addContent(
  tx: Tx,
  build: BuildRow,
  rpms: RpmSpec[] = [],
  archives: ArchiveSpec[] = [],
): Promise<ContentIds> {
  const ids: ContentIds = { rpms: [], archives: [], digests: [] }
  for (const spec of rpms) ids.rpms.push(await addRpm(tx, build, spec))
  for (const spec of archives) {
    const { id, digest } = await addArchive(tx, build, spec)
    ids.archives.push(id)
    ids.digests.push(digest)
  }
  return ids
}

/** importRPM into a complete build: its tags are noted as changed (tag_updates IMPORT). */
export async function addRpms(tx: Tx, build: string | number, rpms: RpmSpec[]): Promise<number[]> {
  const row = await findBuild(tx, build)
  const { rpms: ids } = await addContent(tx, row, rpms)
  for (const tag of await tagsOf(tx, row.id)) await tx.tagUpdate(tag, 1)
  return ids
}

async function addRpm(tx: Tx, build: BuildRow, spec: RpmSpec): Promise<number> {
  const place = {
    name: spec.name ?? build.name,
    version: spec.version ?? build.version,
    // The file and the row of a draft's rpm have the rpm's own release.
    release: spec.release ?? build.release.replace(/,draft_\d+$/, ''),
    arch: spec.arch,
  }
  const size = spec.size ?? 200 + (build.id % 100)
  const { bytes, payloadhash, header } = rpmOfSize(`${build.id} ${nvra(place)} ${Math.random()}`, size)
  const row = await tx.insert('rpminfo', {
    ...place,
    build_id: build.id,
    buildroot_id: null,
    epoch: spec.epoch === undefined ? build.epoch : spec.epoch,
    external_repo_id: 0,
    payloadhash,
    size: spec.metadataOnly ? size : bytes.length,
    buildtime: spec.buildtime ?? 1_700_000_000 + build.id,
    metadata_only: spec.metadataOnly ?? false,
    extra: spec.extra === undefined ? null : JSON.stringify(spec.extra),
    draft: build.draft,
  })
  const id = Number(row.id)
  if (spec.metadataOnly) return id
  await tx.insert('rpmsigs', { rpm_id: id, sigkey: '', sighash: md5(header) })
  if (spec.checksums) await addChecksums(tx, id, '', bytes)
  await tx.tree?.putRpm({ ...build }, place, bytes, header)
  return id
}

/** What getRPMChecksums caches (since 1.32): md5 0 and sha256 2. */
export async function addChecksums(tx: Tx, rpmId: number, sigkey: string, bytes: Buffer): Promise<void> {
  if (!tx.has('rpm_checksum', 'rpm_id')) return
  for (const [name, type] of [
    ['md5', 0],
    ['sha256', 2],
  ] as const) {
    const checksum = createHash(name).update(bytes).digest('hex')
    await tx.insert('rpm_checksum', { rpm_id: rpmId, sigkey, checksum, checksum_type: type })
  }
}

/** addExternalRPM: an rpm of another instance, as images contain them. Returns its id. */
export async function addExternalRpm(
  tx: Tx,
  repo: string | number,
  rpm: { name: string; version: string; release: string; arch: string; epoch?: number | null; size?: number },
): Promise<number> {
  const row = await tx.insert('rpminfo', {
    epoch: null,
    size: 1234,
    ...rpm,
    build_id: null,
    external_repo_id: await tx.id('external_repo', repo),
    payloadhash: createHash('md5').update(nvra(rpm)).digest('hex'),
    buildtime: 1_600_000_000,
    metadata_only: false,
  })
  return Number(row.id)
}

async function addArchive(
  tx: Tx,
  build: BuildRow,
  spec: ArchiveSpec,
): Promise<{ id: number; digest: string }> {
  const size = spec.size ?? 300
  const bytes = madeUpBytes(`${build.id} ${spec.filename} ${Math.random()}`, size)
  const digest = createHash('sha256').update(bytes).digest('hex')
  const btype = await tx.idOrNew('btype', spec.btype)
  await addType(tx, build.id, btype)
  const row = await tx.insert('archiveinfo', {
    type_id: await tx.id('archivetypes', spec.type),
    btype_id: btype,
    build_id: build.id,
    buildroot_id: null,
    filename: spec.filename,
    size,
    checksum: digest,
    checksum_type: 2,
    metadata_only: spec.metadataOnly ?? false,
    extra: spec.extra === undefined ? null : JSON.stringify(spec.extra),
  })
  const id = Number(row.id)
  await addTypedArchive(tx, id, spec)
  for (const rpm of spec.rpmComponents ?? []) {
    await tx.insert('archive_rpm_components', { archive_id: id, rpm_id: rpm })
  }
  for (const component of spec.archiveComponents ?? []) {
    await tx.insert('archive_components', { archive_id: id, component_id: component })
  }
  if (!spec.metadataOnly) {
    if (spec.maven) await tx.tree?.putMaven(build, archivePath(spec), bytes)
    else await tx.tree?.putFile(build, archivePath(spec), bytes)
  }
  return { id, digest }
}

async function addTypedArchive(tx: Tx, id: number, spec: ArchiveSpec): Promise<void> {
  if (spec.maven) {
    const { groupId, artifactId, version } = spec.maven
    await tx.insert('maven_archives', { archive_id: id, group_id: groupId, artifact_id: artifactId, version })
  }
  if (spec.win) {
    const { relpath, platforms, flags = null } = spec.win
    await tx.insert('win_archives', { archive_id: id, relpath, platforms, flags })
  }
  if (spec.image) await tx.insert('image_archives', { archive_id: id, arch: spec.image.arch })
}

/** Marks a build as of a type, once. */
export async function addType(tx: Tx, buildId: number, btypeId: number): Promise<void> {
  await tx.rows(
    `INSERT INTO build_types (build_id, btype_id) SELECT $1, $2
     WHERE NOT EXISTS (SELECT 1 FROM build_types WHERE build_id = $1 AND btype_id = $2)`,
    [buildId, btypeId],
  )
}

function archivePath(spec: ArchiveSpec): string {
  if (spec.maven) {
    const { groupId, artifactId, version } = spec.maven
    return `maven/${groupId.replaceAll('.', '/')}/${artifactId}/${version}/${spec.filename}`
  }
  if (spec.win) return `win/${spec.win.relpath ? `${spec.win.relpath}/` : ''}${spec.filename}`
  if (spec.btype === 'image') return `images/${spec.filename}`
  return `files/${spec.btype}/${spec.subdir ? `${spec.subdir}/` : ''}${spec.filename}`
}
