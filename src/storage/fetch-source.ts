import { type BuildPlace, versionPath } from '../model/paths.ts'
import type { BuildBytes, BytesSource, OpenFile } from './copy-source.ts'
import type { PackageServer } from './fetch-server.ts'

/** Bytes over HTTP, where prod's tree is not mounted. A server lists nothing: of files that no row names only metadata.json comes. */
export class HttpSource implements BytesSource {
  readonly shown: string
  readonly #server: PackageServer

  constructor(server: PackageServer) {
    this.#server = server
    this.shown = server.url
  }

  probe(): Promise<void> {
    return this.#server.probe()
  }

  /** A server need not show directories: what is not there is found out with the first file. */
  async build(place: BuildPlace): Promise<BuildBytes | null> {
    return new ServedBuild(this.#server, [...versionPath(place), place.release])
  }
}

class ServedBuild implements BuildBytes {
  readonly shown: string
  readonly inodes: ReadonlySet<string> = new Set()
  readonly #server: PackageServer
  readonly #names: readonly string[]

  constructor(server: PackageServer, names: readonly string[]) {
    this.#server = server
    this.#names = names
    this.shown = `${server.url}/${names.join('/')}`
  }

  async open(path: readonly string[]): Promise<OpenFile | null> {
    const begun = await this.#server.open([...this.#names, ...path])
    if (begun === null) return null
    const { size, mtime, chunks } = begun
    return {
      shown: `${this.shown}/${path.join('/')}`,
      size: size === null ? null : BigInt(size),
      mtime,
      chunks: () => chunks,
      local: null,
      close: () => begun.close(),
    }
  }

  async directory(): Promise<null> {
    return null
  }

  async list(path: readonly string[]): Promise<readonly (readonly string[])[]> {
    return path.length === 0 ? [['metadata.json']] : []
  }

  async close(): Promise<void> {}
}
