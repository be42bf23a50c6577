import { spawnSync } from 'node:child_process'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { openDump } from '../../src/seed/dump-source.ts'
import { noStep } from '../../src/step.ts'
import { CUSTOM_DUMP } from './custom-dump.ts'

const SQL =
  "SET standard_conforming_strings = on;\nSELECT pg_catalog.setval('s', 1, true);\n\n-- PostgreSQL database dump complete\n"

async function read(bytes: Buffer): Promise<{ format: string; text: string }> {
  const signal = new AbortController().signal
  const dump = await openDump({ from: '-', stdin: Readable.from([bytes]), signal, step: noStep })
  let text = ''
  for await (const part of dump.sql) text += part.toString()
  return { format: dump.format, text }
}

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

/** The second: Debian's wrapper stands there, and nothing behind it. */
const NOT_HERE = expect.stringMatching(/^(?:SEED_PROGRAM_MISSING|SEED_DUMP_BROKEN)$/)

/** The first bytes of each, for hosts without the program. */
const MAGIC: Readonly<Record<string, string>> = { xz: 'fd377a585a00', zstd: '28b52ffd', bzip2: '425a6839' }

// On a host without the program the same test demands the error that names it: neither is passed over.
it.each(Object.keys(MAGIC))(
  'reads a dump that %s packed, or says that this program is missing',
  async (program) => {
    if (!has(program)) {
      const head = Buffer.concat([Buffer.from(MAGIC[program] as string, 'hex'), Buffer.alloc(600)])
      await expect(read(head)).rejects.toMatchObject({
        code: 'SEED_PROGRAM_MISSING',
        message: expect.stringContaining(`the program ${program} is needed`),
      })
      return
    }
    const packed = spawnSync(program, ['-c'], { input: SQL }).stdout
    expect(await read(packed)).toEqual({ format: program, text: SQL })
    // One packing in another, as a mirror makes it.
    expect(await read(gzipSync(packed))).toEqual({ format: 'gzip', text: SQL })
    await expect(read(packed.subarray(0, packed.length - 9))).rejects.toMatchObject({
      code: 'SEED_DUMP_BROKEN',
      message: expect.stringContaining(program),
    })
  },
)

it("reads pg_dump's format custom by pg_restore, or says that it is missing", async () => {
  if (!has('pg_restore')) {
    await expect(read(CUSTOM_DUMP)).rejects.toMatchObject({
      code: NOT_HERE,
      message: expect.stringContaining('pg_restore'),
    })
    return
  }
  const { format, text } = await read(CUSTOM_DUMP)
  expect(format).toBe('custom')
  expect(text).toContain('COPY public.btype (id, name) FROM stdin;\n1\trpm\n2\tmaven\n\\.\n')
  expect(text).toContain('-- PostgreSQL database dump complete')
  await expect(read(CUSTOM_DUMP.subarray(0, 900))).rejects.toMatchObject({ code: 'SEED_DUMP_BROKEN' })
})
