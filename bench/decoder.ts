import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { AnswerDecoder } from '../src/hub/decode.ts'
import { type Result, result } from './results.ts'
import { quantile } from './statistics.ts'

const ROUNDS = 5
const ROWS = 3_000

/** Milliseconds to decode a megabyte of an answer, beside the `xmlrpc` package's own decoder and Python's on the same bytes. */
export async function measureDecoder(): Promise<Result[]> {
  const bytes = Buffer.from(answerXml())
  const megabytes = bytes.length / 1e6
  const ours: number[] = []
  const peer: number[] = []
  for (let i = 0; i < ROUNDS; i += 1) {
    ours.push(timed(() => decode(bytes)))
    peer.push(await timedAsync(() => decodeByPeer(bytes)))
  }
  const value = quantile(ours, 0.5) / megabytes
  const rows = [
    result('decoding, beside the xmlrpc package', 'ms/MB', {
      value,
      floor: quantile(peer, 0.5) / megabytes,
      goal: 1,
    }),
  ]
  const python = await pythonMs(bytes)
  if (python === null) console.log("no python3: decoding is not compared with Python's xmlrpc.client")
  else
    rows.push(
      result("decoding, beside CPython's xmlrpc.client", 'ms/MB', {
        value,
        floor: python / megabytes,
        goal: 2,
      }),
    )
  return rows
}

function decode(bytes: Buffer): void {
  const decoder = new AnswerDecoder({ maxBytes: bytes.length, maxDepth: 50 })
  for (let at = 0; at < bytes.length; at += 65_536) decoder.write(bytes.subarray(at, at + 65_536))
  const answer = decoder.end()
  if (answer.kind !== 'value' || !Array.isArray(answer.value) || answer.value.length !== ROWS)
    throw new Error('decoded wrong')
}

interface PeerDecoder {
  deserializeMethodResponse(stream: Readable, done: (error: Error | null, value: unknown) => void): void
}

function decodeByPeer(bytes: Buffer): Promise<unknown> {
  const Peer = createRequire(import.meta.url)('xmlrpc/lib/deserializer.js') as new () => PeerDecoder
  return new Promise((resolve, reject) => {
    const chunks = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
      bytes.subarray(i * 65_536, (i + 1) * 65_536),
    )
    new Peer().deserializeMethodResponse(Readable.from(chunks), (error, value) =>
      error ? reject(error) : resolve(value),
    )
  })
}

const PYTHON = `
import sys, time, xmlrpc.client
data = open(sys.argv[1], 'rb').read()
times = []
for _ in range(${ROUNDS}):
    begun = time.perf_counter()
    value, _ = xmlrpc.client.loads(data)
    times.append(time.perf_counter() - begun)
    assert len(value[0]) == ${ROWS}
print(sorted(times)[len(times) // 2] * 1000)
`

async function pythonMs(bytes: Buffer): Promise<number | null> {
  const file = join(tmpdir(), `koji-staging-sync-bench-${process.pid}.xml`)
  await writeFile(file, bytes)
  try {
    const { stdout } = await promisify(execFile)('python3', ['-c', PYTHON, file])
    return Number(stdout)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  } finally {
    await rm(file, { force: true })
  }
}

function timed(work: () => void): number {
  const begun = performance.now()
  work()
  return performance.now() - begun
}

async function timedAsync(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** An answer as listRPMs gives it. */
function answerXml(): string {
  const int = (n: number) => `<int>${n}</int>`
  const text = (s: string) => `<string>${s}</string>`
  const row = (i: number): Record<string, string> => ({
    id: int(i),
    name: text(`package-${i}`),
    version: text('1.2.3'),
    release: text('4.fc43'),
    epoch: '<nil/>',
    arch: text('x86_64'),
    build_id: int(i >> 3),
    payloadhash: text('0123456789abcdef0123456789abcdef'),
    size: int(1_000_000 + i),
    buildtime: int(1_700_000_000 + i),
    metadata_only: '<boolean>0</boolean>',
    external_repo_id: int(0),
    external_repo_name: text('INTERNAL'),
    nvr: text(`package-${i}-1.2.3-4.fc43 &amp; more`),
    extra: '<nil/>',
  })
  const members = (fields: Record<string, string>) =>
    Object.entries(fields)
      .map(([name, value]) => `<member>\n<name>${name}</name>\n<value>${value}</value>\n</member>\n`)
      .join('')
  const rows = Array.from(
    { length: ROWS },
    (_, i) => `<value><struct>\n${members(row(i))}</struct></value>\n`,
  )
  return `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n${rows.join('')}</data></array></value>\n</param>\n</params>\n</methodResponse>\n`
}
