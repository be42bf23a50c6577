import { listRPMs, listTaggedRPMS, queryRPMSigs } from '../hub/calls-content.ts'
import type { Hub, ReadOptions } from '../hub/hub.ts'
import type { Rpm, TaggedRpm } from '../model/records.ts'
import type { NamedBuild } from './staging-builds.ts'

export interface ProdRpm {
  readonly nvra: string
  readonly payloadhash: string
  /** few, so no set */
  readonly sigkeys: string[]
}

/** Build id to rpm id to rpm. */
export type ProdRpms = Map<number, Map<number, ProdRpm>>

/**
 * Rpms and signing keys of builds that are in a tag. One listTaggedRPMS for all of the tag (0.25 ms a build) where the tag is
 * small enough for one answer, else (or where few are asked for) one for each package. It hides builds of packages that the tag does not list or blocks
 * (kojihub.py readTaggedBuilds): those are asked for one by one.
 */
export async function readTaggedRpms(
  hub: Hub,
  tag: { readonly id: number; readonly builds: number },
  builds: readonly NamedBuild[],
  limits: { readonly tagBuilds: number; readonly packages: number },
  options: ReadOptions,
): Promise<ProdRpms> {
  const wanted = new Set(builds.map(({ id }) => id))
  const found: ProdRpms = new Map()
  if (builds.length === 0) return found
  const shown = new Set<number>()
  const note = (rpm: TaggedRpm | Rpm, sigkey: string | null): void => {
    if (rpm.buildId === null || !wanted.has(rpm.buildId)) return
    const ofBuild = found.get(rpm.buildId) ?? new Map<number, ProdRpm>()
    found.set(rpm.buildId, ofBuild)
    const known = ofBuild.get(rpm.id) ?? {
      nvra: kept(nvraOf(rpm)),
      payloadhash: kept(rpm.payloadhash),
      sigkeys: [],
    }
    ofBuild.set(rpm.id, known)
    if (sigkey !== null && !known.sigkeys.includes(sigkey)) known.sigkeys.push(sigkey)
  }
  const noteAnswer = ([rpms, shownBuilds]: readonly [
    readonly TaggedRpm[],
    readonly { buildId: number }[],
  ]): void => {
    for (const rpm of rpms) note(rpm, rpm.sigkey)
    for (const { buildId } of shownBuilds) shown.add(buildId)
  }

  const packages = [...new Set(builds.map(({ packageName }) => packageName))]
  // Measured: 0.25 ms a build of the whole tag, some 5 ms a package.
  const isFew = packages.length * 20 < tag.builds
  if (tag.builds <= limits.tagBuilds && !isFew) {
    noteAnswer((await hub.read([listTaggedRPMS(tag.id, { rpmsigs: true })], options))[0])
  } else {
    for (let at = 0; at < packages.length; at += limits.packages) {
      const calls = packages
        .slice(at, at + limits.packages)
        .map((name) => listTaggedRPMS(tag.id, { rpmsigs: true, package: name }))
      for (const answer of await hub.read(calls, options)) noteAnswer(answer)
    }
  }

  const hidden = builds.filter(({ id }) => !shown.has(id))
  const lists = await hub.read(
    hidden.map(({ id }) => listRPMs({ buildId: id })),
    options,
  )
  for (const rpms of lists) {
    const sigs = await hub.read(
      rpms.map(({ id }) => queryRPMSigs({ rpmId: id })),
      options,
    )
    rpms.forEach((rpm, i) => {
      note(rpm, null)
      for (const sig of sigs[i] ?? []) note(rpm, sig.sigkey)
    })
  }
  return found
}

function nvraOf({ name, version, release, arch }: TaggedRpm | Rpm): string {
  return `${name}-${version}-${release}.${arch}`
}

/** A copy: a piece of an answer's text would keep all of that in memory (V8's sliced strings). */
function kept(text: string): string {
  return Buffer.from(text).toString()
}
