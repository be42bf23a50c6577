import { type BigIntStats, constants } from 'node:fs'
import { copyFile, type FileHandle, link, open } from 'node:fs/promises'
import { type At, TreeReader, TreeWriter } from './files.ts'

/** Calls that read files' bytes. */
export class BytesReader extends TreeReader {
  /**
   * A handle to read by; the caller closes it. `follow`: also where the last name is a link. Never waits: a FIFO without a writer opens
   * at once, and is seen to be none of ours.
   */
  openFile(at: At | string, options: { readonly follow: boolean }): Promise<FileHandle> {
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | (options.follow ? 0 : constants.O_NOFOLLOW)
    return this.call('open', at, (path) => open(path, flags))
  }

  fstat(handle: FileHandle, shown: string): Promise<BigIntStats> {
    return this.call('fstat', shown, () => handle.stat({ bigint: true }))
  }

  /** Bytes from `position` on into the buffer; 0 at the end. */
  async pread(handle: FileHandle, shown: string, buffer: Buffer, position: number): Promise<number> {
    const read = () => handle.read(buffer, 0, buffer.length, position)
    return (await this.call('pread', shown, read)).bytesRead
  }
}

/** Calls that bring bytes into staging's tree: always into files that did not exist. */
export class BytesWriter extends TreeWriter {
  /** A new file, open for writing; the caller closes it. Follows no link. */
  create(at: At, mode: number): Promise<FileHandle> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    return this.call('create', at, (path) => open(path, flags, mode))
  }

  /** Writes all of it. */
  pwrite(handle: FileHandle, shown: string, bytes: Buffer, position: number): Promise<void> {
    return this.call('pwrite', shown, async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
        done += bytesWritten
      }
    })
  }

  fstat(handle: FileHandle, shown: string): Promise<BigIntStats> {
    return this.call('fstat', shown, () => handle.stat({ bigint: true }))
  }

  fchown(handle: FileHandle, shown: string, uid: number, gid: number): Promise<void> {
    return this.call('fchown', shown, () => handle.chown(uid, gid))
  }

  fchmod(handle: FileHandle, shown: string, mode: number): Promise<void> {
    return this.call('fchmod', shown, () => handle.chmod(mode))
  }

  /** Seconds since 1970. */
  futimes(handle: FileHandle, shown: string, mtime: number): Promise<void> {
    return this.call('futimes', shown, () => handle.utimes(mtime, mtime))
  }

  /** A new file that shares the other's blocks until one is written (FICLONE). Throws where the file system cannot. */
  clone(from: At, to: At): Promise<void> {
    const flags = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE
    return this.call('clone', to, (path) => copyFile(from.path, path, flags))
  }

  /** Another name of the same file. */
  link(from: string, to: At): Promise<void> {
    return this.call('link', to, (path) => link(from, path))
  }
}
