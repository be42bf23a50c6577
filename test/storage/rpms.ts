import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ArchiveFile, BuildFile, RpmFile, SigcacheFile } from '../../src/model/build-files.ts'
import { type MadeRpm, makeRpm, md5 } from '../sim/world/rpm-bytes.ts'

export { makeRpm, md5 }

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
