import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { lstat, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { spliced } from './rpm-bytes.ts'

/** What names a build's directory. */
export interface BuildPlace {
  name: string
  version: string
  release: string
  volume: string
}

/** What names an rpm's file. */
export interface RpmPlace {
  name: string
  version: string
  release: string
  arch: string
}

/** Files of builds under a topdir, where koji.PathInfo looks for them (koji/__init__.py, class PathInfo). */
export class BuildTree {
  readonly topdir: string

  constructor(topdir: string) {
    this.topdir = topdir
  }

  buildDir(build: BuildPlace): string {
    const volume = build.volume === 'DEFAULT' ? this.topdir : join(this.topdir, 'vol', build.volume)
    return join(volume, 'packages', build.name, build.version, build.release)
  }

  /** Writes an rpm, and its unsigned header. */
  async putRpm(build: BuildPlace, rpm: RpmPlace, bytes: Buffer, header: Buffer): Promise<void> {
    await put(join(this.buildDir(build), rpm.arch, `${nvra(rpm)}.rpm`), bytes)
    await this.putSignature(build, rpm, '', header)
  }

  /** Writes a header as the hub caches it, and for a key the signed copy. */
  async putSignature(build: BuildPlace, rpm: RpmPlace, sigkey: string, header: Buffer): Promise<void> {
    const data = join(this.buildDir(build), 'data')
    await put(join(data, 'sigcache', sigkey, rpm.arch, `${nvra(rpm)}.rpm.sig`), header)
    if (!sigkey) return
    const bytes = await readFile(join(this.buildDir(build), rpm.arch, `${nvra(rpm)}.rpm`))
    await put(join(data, 'signed', sigkey, rpm.arch, `${nvra(rpm)}.rpm`), spliced(bytes, header))
  }

  /** The header is kept aside, the signed copy goes (delete_rpm_sig). */
  async dropSignature(build: BuildPlace, rpm: RpmPlace, sigkey: string, sighash: string): Promise<void> {
    const data = join(this.buildDir(build), 'data')
    const header = join(data, 'sigcache', sigkey, rpm.arch, `${nvra(rpm)}.rpm.sig`)
    if (existsSync(header)) await rename(header, `${header}.${sighash}.save`)
    await rm(join(data, 'signed', sigkey, rpm.arch, `${nvra(rpm)}.rpm`), { force: true })
  }

  /** Writes a file of a maven repository, and the checksum files that the hub makes beside it. */
  async putMaven(build: BuildPlace, path: string, bytes: Buffer): Promise<void> {
    await this.putFile(build, path, bytes)
    for (const name of ['md5', 'sha1']) {
      const sum = createHash(name).update(bytes).digest('hex')
      await this.putFile(build, `${path}.${name}`, Buffer.from(sum))
    }
  }

  /** Writes a file by its path below the build's directory. */
  async putFile(build: BuildPlace, path: string, bytes: Buffer): Promise<void> {
    await put(join(this.buildDir(build), path), bytes)
  }

  /** Removes the directory, and the link on the default volume. */
  async removeBuild(build: BuildPlace): Promise<void> {
    await rm(this.buildDir(build), { recursive: true, force: true })
    await this.#removeLink({ ...build, volume: 'DEFAULT' })
  }

  /** Moves to another volume and leaves a relative link on the default one (change_build_volume). */
  async changeVolume(build: BuildPlace, volume: string): Promise<void> {
    const moved = { ...build, volume }
    await this.#removeLink(moved)
    await move(this.buildDir(build), this.buildDir(moved))
    await this.linkFromDefault(moved)
  }

  /** The relative link that stands on the default volume for a build elsewhere (ensure_volume_symlink). */
  async linkFromDefault(build: BuildPlace): Promise<void> {
    if (build.volume === 'DEFAULT') return
    const place = this.buildDir({ ...build, volume: 'DEFAULT' })
    await mkdir(dirname(place), { recursive: true })
    await this.#removeLink({ ...build, volume: 'DEFAULT' })
    await symlink(relative(dirname(place), this.buildDir(build)), place)
  }

  /** A draft's directory takes the new release; the old name becomes a link (promoteBuild). */
  async promote(draft: BuildPlace, promoted: BuildPlace): Promise<void> {
    await move(this.buildDir(draft), this.buildDir(promoted))
    await this.linkFromDefault(promoted)
    const base = this.buildDir({ ...promoted, volume: 'DEFAULT' })
    const old = this.buildDir(draft)
    await symlink(relative(dirname(old), base), old)
  }

  async #removeLink(build: BuildPlace): Promise<void> {
    const place = this.buildDir(build)
    const stat = await lstat(place).catch(() => undefined)
    if (stat?.isSymbolicLink()) await unlink(place)
  }
}

/** Made-up content: always the same for the same label, and of that size. */
export function madeUpBytes(label: string, size: number): Buffer {
  const chunks: Buffer[] = []
  for (let i = 0; i * 32 < size; i++) chunks.push(createHash('sha256').update(`${label} ${i}`).digest())
  return Buffer.concat(chunks).subarray(0, size)
}

export function nvra(rpm: RpmPlace): string {
  return `${rpm.name}-${rpm.version}-${rpm.release}.${rpm.arch}`
}

async function put(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
}

async function move(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await rename(from, to)
}
