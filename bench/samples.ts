import type { Announcement } from '../test/sim/world/transaction.ts'
import { named, type RawCall } from './raw-hub.ts'
import { type FloorRows, rowsOfBuild, rowsOfSignature, rowsOfTagging } from './sample-rows.ts'
import type { BenchWorld } from './world.ts'

export const KINDS = ['tag', 'untag', 'retag', 'build', 'sign'] as const
export type Kind = (typeof KINDS)[number]

/** Of a hundred messages. Fedora's bus carries some five taggings and untaggings for each build, and its signatures. */
const MIX: Readonly<Record<Kind, number>> = { tag: 40, untag: 15, retag: 15, build: 15, sign: 15 }

/** One change that prod has made: its message, where it shows, and what the floor reads and writes for it. */
export interface Sample {
  readonly kind: Kind
  readonly message: Announcement
  /** What `Commits` calls it. */
  readonly subject: string
  /** Requests one after the other; a request is one call or a multicall. Several ways where it is open which is fastest. */
  readonly reads: readonly (readonly (readonly RawCall[])[])[]
  /** One transaction as one simple query. */
  readonly writes: FloorRows
}

const ARCHES = ['src', 'x86_64', 'x86_64', 'aarch64', 'noarch', 'noarch']
const SIGKEY = 'b01cbeef'

/** Builds that are made beforehand, so that there is something to sign that came by the daemon. */
export function signableCount(samples: number): number {
  return kindsOf(samples).filter((kind) => kind === 'sign').length
}

/** Makes a build with six rpms in prod, of a task as most builds are. Returns its rpms' ids; the message is last in `announced`. */
export async function makeBuild(
  world: BenchWorld,
  release: string,
  index: number,
): Promise<{ id: number; rpms: number[] }> {
  const { work, content } = world
  const name = content.packages[index % content.packages.length]?.name as string
  const rpms = ARCHES.map((arch, i) => ({ arch, name: i < 2 ? name : `${name}-part${i}` }))
  const made = await work.importBuild({ name, version: '100', release, rpms })
  await work.rows(
    `with t as (insert into task (method, state, owner, channel_id, arch)
       select 'build', 2, owner, 1, 'noarch' from build where id = $1 returning id)
     update build set task_id = (select id from t) where id = $1`,
    [made.id],
  )
  return { id: made.id, rpms: made.rpms }
}

/** The kinds in their mixed order, the same in each run. */
function kindsOf(samples: number): Kind[] {
  const round = KINDS.flatMap((kind) => Array.from({ length: MIX[kind] }, () => kind))
  // Steps of 37 visit every place of a hundred.
  return Array.from({ length: samples }, (_, i) => round[(i * 37) % round.length] as Kind)
}

/**
 * Makes the changes in prod, each of a thing of its own, so that no message's key does the work of another one's, and so that
 * all of them can be made before the first message: prod's own work does not run beside what is measured.
 */
export async function makeSamples(
  world: BenchWorld,
  count: number,
  signable: readonly (readonly number[])[],
): Promise<Sample[]> {
  const samples: Sample[] = []
  const toSign = [...signable]
  for (const [i, kind] of kindsOf(count).entries()) {
    world.announced.length = 0
    samples.push(await makeSample(world, kind, i, kind === 'sign' ? (toSign.pop() ?? []) : []))
  }
  return samples
}

async function makeSample(
  world: BenchWorld,
  kind: Kind,
  index: number,
  rpms: readonly number[],
): Promise<Sample> {
  const { work, content } = world
  if (kind === 'build') {
    const { id, rpms: ids } = await makeBuild(world, `${index}`, index)
    return {
      kind,
      message: announcedLast(world),
      subject: `build:${id}`,
      reads: [readsOfBuild(id, ids)],
      writes: await rowsOfBuild(work, id),
    }
  }
  if (kind === 'sign') {
    const rpm = rpms[1] as number
    await work.signRpm(rpm, SIGKEY)
    const reads = [[[['queryRPMSigs', rpm] as const]]]
    return {
      kind,
      message: announcedLast(world),
      subject: `sign:${rpm}:${SIGKEY}`,
      reads,
      writes: await rowsOfSignature(work, rpm, SIGKEY),
    }
  }
  const listed = content.packages[index]
  if (listed === undefined) throw new Error('more samples than packages')
  const [first, , third] = listed.buildIds as [number, number, number]
  const buildId = kind === 'tag' ? third : first
  const event = await work[`${kind}Build`](content.liveTagId, buildId)
  const subject = `${kind === 'untag' ? 'untag' : 'tag'}:${content.liveTagId}:${buildId}`
  return {
    kind,
    message: announcedLast(world),
    subject,
    reads: readsOfListing(content.liveTagId, listed),
    writes: await rowsOfTagging(work, { tagId: content.liveTagId, buildId, event }),
  }
}

function announcedLast(world: BenchWorld): Announcement {
  const message = world.announced.at(-1)
  if (message === undefined) throw new Error('nothing was announced')
  return message
}

/** Either of them shows the ordered list of one package in one tag. */
export function readsOfListing(
  tagId: number,
  listed: { readonly id: number; readonly name: string },
): RawCall[][][] {
  const history = named({ tables: ['tag_listing'], tag: tagId, package: listed.id, active: true })
  return [[[['queryHistory', history]]], [[['listTagged', tagId, named({ package: listed.name })]]]]
}

/** The ids of the rpms are known from the first answer only. */
function readsOfBuild(id: number, rpms: readonly number[]): RawCall[][] {
  return [
    [
      ['getBuild', id],
      ['getBuildType', id],
      ['listRPMs', id],
      ['listArchives', id],
    ],
    rpms.flatMap((rpm): RawCall[] => [
      ['queryRPMSigs', rpm],
      ['getRPMChecksums', rpm, named({ cacheonly: true })],
    ]),
  ]
}
