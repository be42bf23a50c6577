import { toKojiJson } from '../../model/koji-json.ts'
import { BUILD_STATE, type Build, CHECKSUM_TYPES, type Rpm } from '../../model/records.ts'
import { isStruct, type Value } from '../../model/value.ts'
import type { ProdArchive, ProdBuild, ProdRpm } from './observe.ts'
import type { Row, Tables } from './tables.ts'

/** Staging's ids of everything that a build's rows point to. */
export interface Refs {
  readonly buildId: number
  readonly packageId: number
  readonly volumeId: number
  /** by prod's id */
  readonly users: ReadonlyMap<number, number>
  readonly cgId: number | null
  /** by name */
  readonly btypes: ReadonlyMap<string, number>
  readonly archiveTypes: ReadonlyMap<string, number>
  /** of the build's own rpms and of those that its archives contain, by prod's id; what staging lacks is absent */
  readonly rpms: ReadonlyMap<number, number>
  readonly archives: ReadonlyMap<number, number>
}

/** The rows that staging must have for a COMPLETE build of prod. Pure. */
export function wantedTables(prod: ProdBuild, refs: Refs): Tables {
  const rpmId = (prodId: number): number => refs.rpms.get(prodId) ?? prodId
  const archiveId = (prodId: number): number => refs.archives.get(prodId) ?? prodId
  const typed = [...prod.types]
  return {
    build: [buildRow(prod.build, refs)],
    build_types: typed.flatMap(([name]) => {
      const btypeId = refs.btypes.get(name)
      return btypeId === undefined ? [] : [{ build_id: refs.buildId, btype_id: btypeId }]
    }),
    maven_builds: rowOf(prod.types.get('maven'), refs.buildId, ['group_id', 'artifact_id', 'version']),
    win_builds: rowOf(prod.types.get('win'), refs.buildId, ['platform']),
    image_builds: rowOf(prod.types.get('image'), refs.buildId, []),
    rpminfo: prod.rpms.map(({ rpm }) => rpmRow(rpm, rpmId(rpm.id), refs.buildId)),
    rpmsigs: prod.rpms.flatMap((item) => signatureRows(item, rpmId(item.rpm.id))),
    rpm_checksum: prod.rpms.flatMap((item) => checksumRows(item, rpmId(item.rpm.id))),
    archiveinfo: prod.archives.map((item) => archiveRow(item, archiveId(item.archive.id), refs)),
    maven_archives: prod.archives.flatMap(({ archive: { id, maven } }) =>
      maven === null
        ? []
        : [
            {
              archive_id: archiveId(id),
              group_id: maven.groupId,
              artifact_id: maven.artifactId,
              version: maven.version,
            },
          ],
    ),
    win_archives: prod.archives.flatMap(({ archive: { id, win } }) =>
      win === null
        ? []
        : [{ archive_id: archiveId(id), relpath: win.relpath, platforms: win.platforms, flags: win.flags }],
    ),
    image_archives: prod.archives.flatMap(({ archive: { id, image } }) =>
      image === null ? [] : [{ archive_id: archiveId(id), arch: image.arch }],
    ),
    archive_rpm_components: prod.archives.flatMap(({ archive, rpms }) =>
      rpms.flatMap((rpm) => {
        const id = refs.rpms.get(rpm.id)
        return id === undefined ? [] : [{ archive_id: archiveId(archive.id), rpm_id: id }]
      }),
    ),
    archive_components: prod.archives.flatMap(({ archive, archives }) =>
      archives.flatMap((part) => {
        const id = refs.archives.get(part.id)
        return id === undefined ? [] : [{ archive_id: archiveId(archive.id), component_id: id }]
      }),
    ),
  }
}

function buildRow(build: Build, refs: Refs): Row {
  return {
    id: refs.buildId,
    volume_id: refs.volumeId,
    pkg_id: refs.packageId,
    version: build.version,
    release: build.release,
    epoch: build.epoch,
    draft: build.draft,
    source: build.source,
    start_time: build.startTime,
    completion_time: build.completionTime,
    promotion_time: build.promotionTime,
    state: BUILD_STATE.complete,
    owner: refs.users.get(build.ownerId) ?? null,
    promoter: build.promoterId === null ? null : (refs.users.get(build.promoterId) ?? null),
    cg_id: refs.cgId,
    extra: jsonCell(build.extra),
    creation_time: build.creationTime,
  }
}

/** Also the row of an external rpm, with `buildId` null. */
export function rpmRow(rpm: Rpm, id: number, buildId: number | null, externalRepoId = 0): Row {
  return {
    id,
    build_id: buildId,
    name: rpm.name,
    version: rpm.version,
    release: rpm.release,
    epoch: rpm.epoch,
    arch: rpm.arch,
    draft: rpm.draft,
    external_repo_id: externalRepoId,
    payloadhash: rpm.payloadhash,
    size: rpm.size,
    buildtime: rpm.buildtime,
    metadata_only: rpm.metadataOnly,
    extra: jsonCell(rpm.extra),
  }
}

function archiveRow({ archive }: ProdArchive, id: number, refs: Refs): Row {
  return {
    id,
    build_id: refs.buildId,
    type_id: refs.archiveTypes.get(archive.typeName) ?? null,
    btype_id: refs.btypes.get(archive.btype) ?? null,
    filename: archive.filename,
    size: archive.size,
    checksum: archive.checksum,
    checksum_type: archive.checksumType,
    metadata_only: archive.metadataOnly,
    extra: jsonCell(archive.extra),
  }
}

export function signatureRows({ sigs }: Pick<ProdRpm, 'sigs'>, rpmId: number): Row[] {
  return sigs.map(({ sigkey, sighash }) => ({ rpm_id: rpmId, sigkey, sighash }))
}

export function checksumRows({ checksums }: Pick<ProdRpm, 'checksums'>, rpmId: number): Row[] {
  if (checksums === 'unsupported') return []
  return checksums.map(({ sigkey, checksumType, checksum }) => ({
    rpm_id: rpmId,
    sigkey,
    checksum_type: CHECKSUM_TYPES.indexOf(checksumType),
    checksum,
  }))
}

/** The legacy row of a btype out of getBuildType's answer (its members are the table's columns). */
function rowOf(info: Value | undefined, buildId: number, columns: readonly string[]): Row[] {
  if (!isStruct(info)) return []
  // A build that has the type only by build_types and `extra.typeinfo` has no such row (kojihub.py get_build_type).
  if (info.build_id === undefined) return []
  const cells = Object.fromEntries(columns.map((column) => [column, textOf(info[column])]))
  return [{ build_id: buildId, ...cells }]
}

function textOf(value: Value | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function jsonCell(value: Value): string | null {
  return value === null ? null : toKojiJson(value)
}
