import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ArchiveFile, BuildFile, RpmFile, SigcacheFile } from '../../src/model/build-files.ts'

/** An rpm as far as Koji looks: a lead, a signature header with SIGMD5, and what that is the md5 of. */
export interface MadeRpm {
  readonly bytes: Buffer
  readonly payloadhash: string
  /** the signature header that it came with */
  readonly header: Buffer
  /** Another header for the same rpm, as signed with a key. */
  signedWith(key: string): Buffer
  /** The rpm with another signature header in it. */
  withHeader(header: Buffer): Buffer
}

export function makeRpm(content: string | Buffer, size = 0): MadeRpm {
  const rest = Buffer.concat([
    Buffer.from('\x8e\xad\xe8\x01main', 'latin1'),
    Buffer.from(content),
    Buffer.alloc(size, 7),
  ])
  const payloadhash = md5(rest)
  const header = signatureHeader(payloadhash, '')
  const lead = Buffer.alloc(96, 1)
  return {
    bytes: Buffer.concat([lead, header, rest]),
    payloadhash,
    header,
    signedWith: (key) => signatureHeader(payloadhash, key),
    withHeader: (other) => Buffer.concat([lead, other, rest]),
  }
}

/** Entries SIGMD5 and, with a key, GPG; padded to 8 bytes. */
function signatureHeader(sigmd5: string, key: string): Buffer {
  const values: [number, Buffer][] = [[1004, Buffer.from(sigmd5, 'hex')]]
  if (key !== '') values.push([1005, Buffer.from(`signature by ${key}`)])
  const intro = Buffer.alloc(16)
  intro.set([0x8e, 0xad, 0xe8, 1])
  intro.writeUInt32BE(values.length, 8)
  const data = Buffer.concat(values.map(([, value]) => value))
  intro.writeUInt32BE(data.length, 12)
  let offset = 0
  const entries = values.map(([tag, value]) => {
    const entry = Buffer.alloc(16)
    for (const [i, word] of [tag, 7, offset, value.length].entries()) entry.writeUInt32BE(word, i * 4)
    offset += value.length
    return entry
  })
  const bytes = Buffer.concat([intro, ...entries, data])
  return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)])
}

export function md5(bytes: Buffer | string): string {
  return createHash('md5').update(bytes).digest('hex')
}

export function rpmFile(name: string, rpm: MadeRpm, checksums: RpmFile['checksums'] = []): RpmFile {
  const arch = name.split('.').at(-2) ?? ''
  return {
    kind: 'rpm',
    path: [arch, name],
    size: rpm.bytes.length,
    subdirectory: false,
    payloadHash: rpm.payloadhash,
    checksums,
  }
}

export function sigcacheFile(file: RpmFile, sigkey: string, header: Buffer): SigcacheFile {
  const [arch = '', name = ''] = file.path
  return {
    kind: 'sigcache',
    path: ['data', 'sigcache', ...(sigkey === '' ? [] : [sigkey]), arch, `${name}.sig`],
    size: null,
    subdirectory: false,
    sigkey,
    sigHash: md5(header),
    rpm: file,
  }
}

export function archiveFile(path: readonly string[], bytes: Buffer, subdirectory = false): ArchiveFile {
  return { kind: 'archive', path, size: bytes.length, subdirectory, digest: { type: 'md5', hex: md5(bytes) } }
}

export function put(directory: string, path: readonly string[], bytes: Buffer | string): string {
  const at = join(directory, ...path)
  mkdirSync(dirname(at), { recursive: true })
  writeFileSync(at, bytes)
  return at
}

/** A build with one of everything in prod's directory: rpms, signatures, an image, a file in a sub-directory, logs. */
export function putBuild(directory: string): {
  readonly files: BuildFile[]
  readonly rpm: MadeRpm
  readonly signed: Buffer
} {
  const rpm = makeRpm('bash', 3000)
  const source = makeRpm('source')
  const image = Buffer.from('an image')
  const nested = Buffer.from('in a sub-directory')
  const header = rpm.signedWith('aabbccdd')
  const binary = rpmFile('bash-5.2-1.fc43.x86_64.rpm', rpm)
  const src = rpmFile('bash-5.2-1.fc43.src.rpm', source)
  const files: BuildFile[] = [
    binary,
    sigcacheFile(binary, '', rpm.header),
    sigcacheFile(binary, 'aabbccdd', header),
    src,
    archiveFile(['images', 'a.img'], image),
    archiveFile(['files', 'remote-sources', 'r.tar'], nested, true),
  ]
  put(directory, binary.path, rpm.bytes)
  put(directory, src.path, source.bytes)
  put(directory, (files[1] as SigcacheFile).path, rpm.header)
  put(directory, (files[2] as SigcacheFile).path, header)
  put(directory, ['images', 'a.img'], image)
  put(directory, ['files', 'remote-sources', 'deep', 'er', 'r.tar'], nested)
  const output = [{ filename: 'r.tar', subdir: 'deep/er', checksum: md5(nested) }]
  put(directory, ['metadata.json'], JSON.stringify({ output }))
  put(directory, ['data', 'logs', 'x86_64', 'build.log'], 'a log')
  return { files, rpm, signed: rpm.withHeader(header) }
}
