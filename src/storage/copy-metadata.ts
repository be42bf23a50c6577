import { grouped } from '../model/grouped.ts'
import { isFileName } from '../model/paths.ts'
import type { BuildBytes } from './copy-source.ts'
import type { Wanted } from './copy-wanted.ts'

/** Larger ones are not read; their files are looked for in one place only. */
export const MAX_METADATA_BYTES = 64 * 1024 * 1024

interface Output {
  readonly filename: string
  readonly names: readonly string[]
  readonly checksum: string | null
}

/**
 * Where the archives of a build lie: what a content generator told in `metadata.json` (`output[].filename`, `.subdir`, `.checksum`; kojihub.py
 * import_metadata) is the only place that knows. Other shapes tell nothing.
 */
export class Subdirectories {
  readonly #bytes: BuildBytes
  /** by file name */
  #outputs: Promise<ReadonlyMap<string, readonly Output[]>> | null = null

  constructor(bytes: BuildBytes) {
    this.#bytes = bytes
  }

  /** Every place in which this archive may lie, the best first; several where a build has one file in several directories. */
  async of({ path, expected }: Wanted): Promise<readonly (readonly string[])[]> {
    const filename = path.at(-1) as string
    this.#outputs ??= readOutputs(this.#bytes).then((all) => grouped(all, ({ filename: of }) => of))
    const named = (await this.#outputs).get(filename) ?? []
    const same = named.filter(({ checksum }) => checksum === expected.checksums[0]?.value)
    const paths = (same.length > 0 ? same : named).map(({ names }) => [
      ...path.slice(0, -1),
      ...names,
      filename,
    ])
    return [path, ...paths.filter((one) => one.length > path.length)]
  }
}

async function readOutputs(bytes: BuildBytes): Promise<readonly Output[]> {
  const file = await bytes.open(['metadata.json'])
  if (file === null) return []
  try {
    const pieces: Buffer[] = []
    let size = 0
    for await (const chunk of file.chunks()) {
      size += chunk.length
      if (size > MAX_METADATA_BYTES) return []
      pieces.push(Buffer.from(chunk))
    }
    return outputsOf(JSON.parse(Buffer.concat(pieces).toString('utf8')))
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  } finally {
    await file.close()
  }
}

/** Other shapes tell nothing. */
export function outputsOf(metadata: unknown): Output[] {
  const { output } = (metadata ?? {}) as { output?: unknown }
  return (Array.isArray(output) ? output : []).flatMap((one) => {
    const { filename, subdir, checksum } = (one ?? {}) as Record<string, unknown>
    if (typeof filename !== 'string') return []
    const names = typeof subdir === 'string' ? subdir.split('/').filter((name) => name !== '') : []
    if (!names.every(isFileName)) return []
    return [{ filename, names, checksum: typeof checksum === 'string' ? checksum : null }]
  })
}
