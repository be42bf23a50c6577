import { KeyError } from '../errors.ts'
import type { BytesReader } from './copy-calls.ts'
import type { Directory } from './directory.ts'
import { RPM_START_BYTES, signatureSpan } from './verify-rpm.ts'

const CHUNK_BYTES = 1024 * 1024

/**
 * The bytes of a signed copy, put together as Koji does (`splice_rpm_sighdr`, koji/__init__.py): the unsigned rpm's lead, the cached
 * signature header with its padding, and all that follows the rpm's own one.
 */
export async function* spliced(
  reader: BytesReader,
  directory: Directory,
  name: string,
  signature: Buffer,
): AsyncIterable<Buffer> {
  const at = directory.at(name)
  const handle = await reader.openFile(at, { follow: false })
  try {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    const read = await reader.pread(handle, at.shown, buffer.subarray(0, RPM_START_BYTES), 0)
    const { start, end } = signatureSpan(at.shown, buffer.subarray(0, read))
    yield Buffer.from(buffer.subarray(0, start))
    yield signature
    for (let position = end; ; ) {
      const count = await reader.pread(handle, at.shown, buffer, position)
      if (count === 0) return
      position += count
      yield buffer.subarray(0, count)
    }
  } finally {
    await handle.close()
  }
}

/** What a signature's header holds, of a file that may be gone. */
export async function collect(
  chunks: AsyncIterable<Buffer>,
  shown: string,
  maxBytes: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.length
    if (size > maxBytes) throw new KeyError('STORAGE_WRONG_SIZE', `${shown} is longer than ${maxBytes} bytes`)
    pieces.push(Buffer.from(chunk))
  }
  return Buffer.concat(pieces)
}
