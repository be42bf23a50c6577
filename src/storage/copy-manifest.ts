import { z } from 'zod'
import { isFileName } from '../model/paths.ts'
import type { BytesWriter } from './copy-calls.ts'
import { type Directory, temporaryName } from './directory.ts'
import { isErrno, orNull } from './errno.ts'
import type { TreeReader } from './files.ts'

/** In a build's directory: which of its files this service has brought. It makes the directory ours. */
export const MANIFEST = '.koji-staging-sync.json'

const MAX_BYTES = 64 * 1024 * 1024

const name = z.string().refine((path) => path.split('/').every(isFileName))
const entrySchema = z.object({
  /** what it was judged by; empty: by nothing, no row names it */
  proof: z.string(),
  size: z.number().int().nonnegative(),
  /** seconds since 1970 */
  mtime: z.number(),
})
const schema = z.object({
  format: z.literal(1),
  buildId: z.number().int(),
  files: z.record(name, entrySchema),
})

export type ManifestEntry = z.infer<typeof entrySchema>
export interface Manifest {
  readonly buildId: number
  /** by path below the build's directory */
  readonly files: Readonly<Record<string, ManifestEntry>>
}

/** Null: there is none, or none of ours. */
export async function readManifest(
  files: Pick<TreeReader, 'lstat' | 'read'>,
  build: Directory,
): Promise<Manifest | null> {
  try {
    const at = build.at(MANIFEST)
    const stat = await orNull(files.lstat(at))
    if (stat === null || !stat.isFile() || stat.size > BigInt(MAX_BYTES)) return null
    const read = schema.safeParse(JSON.parse(await files.read(at)))
    return read.success ? read.data : null
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT')) return null
    throw error
  }
}

/** Replaces it by rename. Nothing of a build is ours before this says so. */
export async function writeManifest(
  files: BytesWriter,
  build: Directory,
  manifest: Manifest,
  fsync: boolean,
): Promise<void> {
  const temporary = build.at(temporaryName(MANIFEST))
  const handle = await files.create(temporary, 0o644)
  try {
    await files.pwrite(
      handle,
      build.at(MANIFEST).shown,
      Buffer.from(JSON.stringify({ format: 1, ...manifest })),
      0,
    )
    if (fsync) await files.sync(handle, build.at(MANIFEST).shown)
    await files.rename(temporary, build.at(MANIFEST))
  } catch (error) {
    await files.unlink(temporary).catch(() => {})
    throw error
  } finally {
    await handle.close()
  }
}
