import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { DumpReader } from '../../src/seed/dump-reader.ts'
import { openDump } from '../../src/seed/dump-source.ts'
import { filterThrough } from '../../src/seed/filter-program.ts'
import { judgeStatement } from '../../src/seed/statement.ts'
import { noStep } from '../../src/step.ts'

const SCRIPT = `--
-- PostgreSQL database dump; with 'quotes'
--
\\restrict token
CREATE FUNCTION f() RETURNS int AS $_$ begin; select ';'; -- ' end $_$ LANGUAGE sql;
INSERT INTO t VALUES ('a;''b\\', E'c\\';d', "e;", 1); /* a /* nested ; */ one ; */
CREATE TABLE a$b (x int CHECK (x > 1));
COPY public.t (a, "from stdin;") FROM stdin;
1	\\N
\\\\.	x
\\.
COPY u FROM stdin;
\\.
SELECT pg_catalog.setval('s', 1, true);

-- PostgreSQL database dump complete
`

async function* pieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(text: string, size: number): Promise<{ found: string[]; complete: boolean }> {
  const reader = new DumpReader(pieces(text, size))
  const found: string[] = []
  for (;;) {
    const statement = await reader.next()
    if (statement === null) return { found, complete: reader.complete }
    found.push(statement)
    if (!statement.startsWith('COPY')) continue
    let data = ''
    for await (const bytes of reader.copyData('t')) data += bytes.toString()
    found.push(data)
  }
}

describe('reading a dump', () => {
  it('finds the same statements and rows wherever the bytes are cut', async () => {
    const whole = await read(SCRIPT, 10_000)
    expect(whole).toEqual({
      complete: true,
      found: [
        '\\restrict token',
        "CREATE FUNCTION f() RETURNS int AS $_$ begin; select ';'; -- ' end $_$ LANGUAGE sql;",
        `INSERT INTO t VALUES ('a;''b\\', E'c\\';d', "e;", 1);`,
        '/* a /* nested ; */ one ; */\nCREATE TABLE a$b (x int CHECK (x > 1));',
        'COPY public.t (a, "from stdin;") FROM stdin;',
        '1\t\\N\n\\\\.\tx\n',
        'COPY u FROM stdin;',
        '',
        "SELECT pg_catalog.setval('s', 1, true);",
      ],
    })
    for (const size of [1, 2, 3, 5, 7, 64]) expect(await read(SCRIPT, size)).toEqual(whole)
  })

  it('says that a dump which was cut off is not whole, wherever that was', async () => {
    const end = SCRIPT.indexOf('-- PostgreSQL database dump complete')
    for (let length = 60; length < end; length += 3) {
      const outcome = await read(SCRIPT.slice(0, length), 4096).catch((error: unknown) => error)
      const isTorn = (outcome as { code?: string }).code === 'SEED_DUMP_TORN'
      expect(isTorn || (outcome as { complete: boolean }).complete === false, `cut at ${length}`).toBe(true)
    }
  })

  it.each([
    ["COPY t TO PROGRAM 'sh';", 'does not write'],
    ["COPY t FROM PROGRAM 'sh';", 'does not write'],
    ['ALTER SYSTEM SET fsync = off;', 'does not write'],
    ['DO $$ begin end $$;', 'does not write'],
    ['SELECT pg_terminate_backend(1);', 'does not write'],
    ['\\! rm -rf /', 'does not write'],
    ['CREATE ROLE koji;', 'pg_dumpall'],
    ['CREATE SCHEMA staging_sync;', 'dump of a staging'],
  ])('refuses %s', (statement, why) => {
    expect(() => judgeStatement(statement, () => false)).toThrow(why)
  })

  it('leaves out owners, rights and what would work by itself', () => {
    for (const text of [
      'ALTER TABLE public.b OWNER TO koji;',
      'GRANT ALL ON TABLE b TO x;',
      'SET transaction_timeout = 0;',
    ])
      expect(judgeStatement(text, () => false)).toEqual({ do: 'skip' })
    expect(
      judgeStatement('CREATE TRIGGER t AFTER INSERT ON b EXECUTE FUNCTION f();', () => false),
    ).toMatchObject({
      do: 'skip',
      notice: expect.stringContaining('CREATE TRIGGER'),
    })
  })

  it('unpacks gzip, by what the bytes are and not what the file is called; says when the packing is torn', async () => {
    const home = await mkdtemp(join(tmpdir(), 'kss-dump-'))
    try {
      const from = join(home, 'koji.dump')
      const packed = gzipSync(SCRIPT)
      const open = () =>
        openDump({ from, stdin: Readable.from([]), signal: new AbortController().signal, step: noStep })
      const all = async (): Promise<string> => {
        let text = ''
        for await (const bytes of (await open()).sql) text += bytes.toString()
        return text
      }
      await writeFile(from, packed)
      expect(await all()).toBe(SCRIPT)
      await writeFile(from, packed.subarray(0, packed.length - 20))
      await expect(all()).rejects.toMatchObject({ code: 'SEED_DUMP_BROKEN' })
      await writeFile(from, '')
      await expect(open()).rejects.toMatchObject({ code: 'SEED_DUMP_EMPTY' })
    } finally {
      await rm(home, { recursive: true })
    }
  })

  it('reads standard input, and an address, of which it says how long it is or that it cannot be had', async () => {
    const signal = new AbortController().signal
    const read = async (from: string, stdin: Readable) => {
      const dump = await openDump({ from, stdin, signal, step: noStep })
      let text = ''
      for await (const bytes of dump.sql) text += bytes.toString()
      return { text, format: dump.format, totalBytes: dump.totalBytes, bytes: dump.readBytes() }
    }
    const packed = gzipSync(SCRIPT)
    const all = { text: SCRIPT, format: 'gzip', bytes: packed.length }
    expect(await read('-', Readable.from([packed.subarray(0, 7), packed.subarray(7)]))).toEqual({
      ...all,
      totalBytes: null,
    })
    const server = createServer((request, response) => {
      if (request.url === '/koji.dump.gz') response.setHeader('content-length', packed.length).end(packed)
      else if (request.url === '/torn') {
        response.setHeader('content-length', packed.length)
        response.write(packed.subarray(0, 100), () => response.destroy())
      } else response.writeHead(404).end('gone')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      expect(await read(`${base}/koji.dump.gz`, Readable.from([]))).toEqual({
        ...all,
        totalBytes: packed.length,
      })
      await expect(read(`${base}/other`, Readable.from([]))).rejects.toThrow('the server answered 404')
      await expect(read(`${base}/torn`, Readable.from([]))).rejects.toMatchObject({
        code: 'SEED_DUMP_UNREADABLE',
      })
      const named = base.replace('//', '//ada:secret@')
      await expect(read(`${named}/other`, Readable.from([]))).rejects.not.toThrow('secret')
    } finally {
      server.close()
      server.closeAllConnections()
    }
  })

  it('names the program that a dump needs and this host does not have, and repeats what one complains of', async () => {
    const signal = new AbortController().signal
    const through = async (program: string, args: string[]): Promise<string> => {
      let text = ''
      const options = { program, args, purpose: 'unpack it', signal, step: noStep }
      for await (const bytes of filterThrough(pieces('abc', 1), options)) text += bytes.toString()
      return text
    }
    expect(await through('cat', [])).toBe('abc')
    await expect(through('kss-no-such-program', [])).rejects.toThrow(
      'the program kss-no-such-program is needed to unpack it',
    )
    await expect(through('sh', ['-c', 'echo corrupt >&2; exit 3'])).rejects.toThrow('sh: corrupt')
  })
})
