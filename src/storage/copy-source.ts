import type { BigIntStats } from 'node:fs'
import type { BuildPlace } from '../model/paths.ts'
import type { At } from './files.ts'

/** A file of prod's, open to be read once, in order. */
export interface OpenFile {
  /** how to name it in errors */
  readonly shown: string
  /** bytes; null: not told beforehand */
  readonly size: bigint | null
  /** seconds since 1970; null: not told */
  readonly mtime: number | null
  /** Bytes in order. A buffer is good until the next one is asked for. */
  chunks(): AsyncIterable<Buffer>
  /** Where it lies on a disk of ours; null elsewhere. */
  readonly local: LocalFile | null
  close(): Promise<void>
}

/** A file on a disk of ours, by its open handle. */
export interface LocalFile {
  readonly fd: number
  /** through the handle */
  readonly path: string
  readonly realPath: string
  /** as it was opened */
  readonly stat: BigIntStats
  /** Throws AgainError STORAGE_CHANGED when it is not the same any more, or is not so long; null: whatever was read of it. */
  assertSame(bytes: bigint | null): Promise<void>
}

/** Where a build's bytes come from: the mount, or prod's package server. */
export interface BytesSource {
  /** its top, as errors name it */
  readonly shown: string
  /** Throws OutageError('storage') when it is down as a whole. */
  probe(): Promise<void>
  /** Null: there is no such build. */
  build(place: BuildPlace): Promise<BuildBytes | null>
}

/** An open directory of prod's that was seen to lie inside of its tree; the caller closes it. */
export interface SourceDirectory {
  /** a file in it: its path by the handle */
  at(name: string): At
  readonly device: bigint
  close(): Promise<void>
}

/** One build's directory there. */
export interface BuildBytes {
  /** how to name it in errors */
  readonly shown: string
  /** `device:inode` of its directories where it lies on a disk of ours: never to be written in */
  readonly inodes: ReadonlySet<string>
  /** Null: no such file. Throws KeyError STORAGE_SOURCE_OUTSIDE, STORAGE_NO_FILE for what is no file of the build. */
  open(path: readonly string[]): Promise<OpenFile | null>
  /**
   * One of its directories, to open files in by its handle. Null: the bytes are on no disk of ours, or it is to be looked at file by file.
   */
  directory(path: readonly string[]): Promise<SourceDirectory | null>
  /** Paths of the plain files below a directory, at most `limit`; empty where none, or where that cannot be asked. */
  list(path: readonly string[], limit: number): Promise<readonly (readonly string[])[]>
  close(): Promise<void>
}
