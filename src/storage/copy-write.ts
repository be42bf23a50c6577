import { KeyError } from '../errors.ts'
import { type BuildPlace, versionPath } from '../model/paths.ts'
import type { BytesWriter } from './copy-calls.ts'
import type { CopyOptions, Ownership } from './copy-file.ts'
import { type Filling, fill } from './copy-fill.ts'
import { linksBeside, putBeside } from './copy-links.ts'
import { type Manifest, readManifest, writeManifest } from './copy-manifest.ts'
import { sweepTop, sweepUnfinished, TargetTree } from './copy-tree.ts'
import { type Take, wantedFiles } from './copy-wanted.ts'
import { type Directory, temporaryName } from './directory.ts'
import { leadsToFormer } from './former.ts'
import type { LinkTexts } from './links.ts'
import type { PlacedBuild } from './placement.ts'
import { removeTree } from './tree-removal.ts'
import { type Turns, Work } from './work.ts'

/** How a placement writes. */
export interface Writing {
  readonly copy: CopyOptions
  readonly take: Take
  readonly fileMode: number
  readonly texts: LinkTexts
  readonly turns: Turns
  /** True: what stands under the build's name without our word on it is a snapshot's, and to be taken over. */
  readonly adopts: () => boolean
}

/** A build of prod, and where its metadata says that files lie. */
type Source = Pick<Filling, 'bytes' | 'subdirectories'>

/** Brings what a build lacks, and its links last. On any error what was made is taken back. */
export async function writeBuild(
  writing: Writing,
  root: string,
  place: BuildPlace,
  build: PlacedBuild,
  source: Source,
): Promise<void> {
  const { writer, fsync } = writing.copy
  const work = new Work(writer, root, source.bytes.inodes, writing.turns)
  try {
    const version = await work.directory(versionPath(place))
    const above = await version.stat()
    const { uid, gid } = writer.madeIn(above)
    const links = await linksBeside(writer, root, writing.texts, work, { ...build, place, uid })
    const owner: Ownership = { device: above.dev, uid, gid, fileMode: writing.fileMode }
    const filling = new Filler(writing, build, source, owner)
    // From another volume to the default one: the link to where the build was makes way when all is there.
    const former = await leadsToFormer(writer, root, { ...build, place })
    const standing = former ? null : await version.child(place.release)
    if (standing === null) await create(filling, version, place.release, work, former)
    else await filling.add(standing).finally(() => standing.close())
    await putBeside(writer, work, links, uid, fsync)
  } catch (error) {
    await work.takeBack()
    throw error
  } finally {
    await work.close()
  }
}

/** Null: of a snapshot, not judged yet. Throws KeyError STORAGE_CLASH where the directory is somebody's own. */
export async function ourManifest(
  { copy, adopts }: Writing,
  standing: Directory,
  buildId: number,
): Promise<Manifest | null> {
  const manifest = await readManifest(copy.writer, standing)
  if (manifest?.buildId === buildId) return manifest
  if (adopts()) return null
  const { path } = standing
  const text = `${path} is a directory of somebody's own, and build ${buildId} of prod belongs there`
  throw new KeyError('STORAGE_CLASH', text, { detail: { path } })
}

/** All of it beside, then one rename. */
async function create(
  filler: Filler,
  version: Directory,
  release: string,
  work: Work,
  former: boolean,
): Promise<void> {
  const { writer, fsync } = filler.writing.copy
  await sweepUnfinished(writer, version, release)
  const unfinished = temporaryName(release)
  const top = await version.makeHidden(unfinished)
  try {
    await filler.fill(top, null, true)
    if (former) await makeWay(writer, version, release, work)
    await writer.rename(version.at(unfinished), version.at(release))
    work.onFailure(() => removeTree(writer, version, release))
    if (fsync) await version.sync()
  } catch (error) {
    await removeTree(writer, version, unfinished).catch(() => {})
    throw error
  } finally {
    await top.close()
  }
}

/** No call puts a directory in the place of a link: for an instant the name is not there, as when Koji itself moves a build. */
async function makeWay(writer: BytesWriter, version: Directory, release: string, work: Work): Promise<void> {
  const text = await writer.readlink(version.at(release))
  await writer.unlink(version.at(release))
  work.onFailure(() => writer.symlink(text, version.at(release)))
}

/** Fills one build's directory. */
class Filler {
  readonly writing: Writing
  readonly #build: PlacedBuild
  readonly #source: Source
  readonly #owner: Ownership

  constructor(writing: Writing, build: PlacedBuild, source: Source, owner: Ownership) {
    this.writing = writing
    this.#build = build
    this.#source = source
    this.#owner = owner
  }

  async add(standing: Directory): Promise<void> {
    const before = await ourManifest(this.writing, standing, this.#build.buildId)
    await sweepTop(this.writing.copy.writer, standing)
    await this.fill(standing, before, false)
  }

  async fill(top: Directory, before: Manifest | null, hidden: boolean): Promise<void> {
    const { copy, take, adopts } = this.writing
    const { buildId, files: rows } = this.#build
    const tree = new TargetTree(top, this.#source.bytes.inodes)
    try {
      const files = await fill({
        options: copy,
        tree,
        ...this.#source,
        wanted: wantedFiles(rows, take),
        take,
        owner: this.#owner,
        before,
        hidden,
        replaces: adopts(),
      })
      await writeManifest(copy.writer, top, { buildId, files }, copy.fsync)
      if (copy.fsync) await tree.sync()
    } finally {
      await tree.close()
    }
  }
}
