import { AgainError } from '../../errors.ts'
import { getBuild, getBuildType } from '../../hub/calls-build.ts'
import { getRPMChecksums, listArchives, listRPMs, queryRPMSigs } from '../../hub/calls-content.ts'
import { HubFault } from '../../hub/fault.ts'
import type { Hub, ReadOptions } from '../../hub/hub.ts'
import {
  type Archive,
  BUILD_STATE,
  type Build,
  type BuildTypes,
  type Rpm,
  type RpmChecksum,
  type RpmSig,
} from '../../model/records.ts'
import { Together } from './together.ts'

/** A COMPLETE build as prod shows it, whole. */
export interface ProdBuild {
  readonly build: Build
  readonly types: BuildTypes
  readonly rpms: readonly ProdRpm[]
  readonly archives: readonly ProdArchive[]
}

export interface ProdRpm {
  readonly rpm: Rpm
  readonly sigs: readonly RpmSig[]
  /** 'unsupported': prod's hub has no such table (before 1.32) */
  readonly checksums: readonly RpmChecksum[] | 'unsupported'
}

export interface ProdArchive {
  readonly archive: Archive
  /** rpms and archives that it contains, also of other builds */
  readonly rpms: readonly Rpm[]
  readonly archives: readonly Archive[]
}

/** btypes whose archives have a table of their own; listArchives joins it only when asked for the type. */
const TYPED = ['maven', 'win', 'image'] as const

/** How often a torn read is repeated before the key is given back. */
const ROUNDS = 3

/**
 * Reads a build from prod: null when prod has no such build, the bare row when it is not COMPLETE.
 *
 * A multicall is no snapshot (READ COMMITTED), so getBuild is asked first and last in the first request, and again at the
 * end of the second one; a difference means that somebody was at it: read again. Throws AgainError HUB_TORN when it never rests.
 */
export async function observeBuild(
  hub: Hub,
  buildId: number,
  options: ReadOptions,
): Promise<ProdBuild | Build | null> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const read = await readOnce(hub, buildId, options)
    if (read !== 'torn') return read
  }
  throw new AgainError('HUB_TORN', `build ${buildId} changed in prod while it was read, ${ROUNDS} times`)
}

async function readOnce(
  hub: Hub,
  buildId: number,
  options: ReadOptions,
): Promise<ProdBuild | Build | null | 'torn'> {
  const [first, types, rpms, archives, last] = await hub.read(
    [
      getBuild(buildId),
      getBuildType(buildId),
      listRPMs({ buildId }),
      listArchives({ buildId }),
      getBuild(buildId),
    ],
    options,
  )
  if (!sameBuild(first, last)) return 'torn'
  if (first === null || first.state !== BUILD_STATE.complete) return first
  const content = { build: first, types: types ?? new Map() }
  if (rpms.length === 0 && archives.length === 0) return { ...content, rpms: [], archives: [] }
  const typed = TYPED.filter((type) => archives.some((archive) => archive.btype === type))

  const parts = new Together()
  const sigs = parts.add(rpms.map((rpm) => queryRPMSigs({ rpmId: rpm.id })))
  const checksums = parts.add(rpms.map((rpm) => getRPMChecksums(rpm.id)))
  const byType = parts.add(typed.map((type) => listArchives({ buildId, type })))
  const rpmParts = parts.add(archives.map((archive) => listRPMs({ imageId: archive.id })))
  const archiveParts = parts.add(archives.map((archive) => listArchives({ imageId: archive.id })))
  const confirm = parts.last([getBuild(buildId), listRPMs({ buildId }), listArchives({ buildId })])
  try {
    await parts.read(hub, options)
  } catch (error) {
    // An rpm that went meanwhile is a fault of getRPMChecksums.
    if (!(error instanceof HubFault)) throw error
    const [now, rpmsNow] = await hub.read([getBuild(buildId), listRPMs({ buildId })], options)
    if (sameBuild(first, now) && idsOf(rpms) === idsOf(rpmsNow)) throw error
    return 'torn'
  }
  const [after, rpmsAfter, archivesAfter] = confirm()
  const same = idsOf(rpms) === idsOf(rpmsAfter) && idsOf(archives) === idsOf(archivesAfter)
  if (!sameBuild(first, after) || !same) return 'torn'
  const detailed = new Map(
    byType()
      .flat()
      .map((archive) => [archive.id, archive]),
  )
  return {
    ...content,
    rpms: rpms.map((rpm, i) => ({ rpm, sigs: sigs()[i] ?? [], checksums: checksums()[i] ?? [] })),
    archives: archives.map((archive, i) => ({
      archive: detailed.get(archive.id) ?? archive,
      rpms: rpmParts()[i] ?? [],
      archives: archiveParts()[i] ?? [],
    })),
  }
}

/** `ProdBuild` is a whole build; anything else is a bare row. */
export function isWhole(read: ProdBuild | Build): read is ProdBuild {
  return 'rpms' in read
}

/** Whether two reads of a build's row show the same. */
export function sameBuild(a: Build | null, b: Build | null): boolean {
  return (
    a === b ||
    (a !== null &&
      b !== null &&
      a.state === b.state &&
      a.volumeId === b.volumeId &&
      a.release === b.release &&
      a.packageId === b.packageId &&
      a.draft === b.draft &&
      a.ownerId === b.ownerId &&
      a.completionTime === b.completionTime &&
      a.creationEvent === b.creationEvent)
  )
}

function idsOf(rows: readonly { readonly id: number }[]): string {
  return rows
    .map((row) => row.id)
    .sort((a, b) => a - b)
    .join(',')
}
