import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { errorsMarkdown } from '../../src/cli/errors-command.ts'
import { ERROR_HELP } from '../../src/model/error-help/all.ts'
import { runHere } from './scripted.ts'

const root = join(import.meta.dirname, '..', '..')

/** Codes that are put together or are one word, and the text of the source that makes them. */
const MADE: Readonly<Record<string, string>> = {
  INTERNAL: "error.code : 'INTERNAL'",
  OUTAGE: "lastCode ?? 'OUTAGE'",
  USAGE: "'error USAGE: '",
  CATCH_UP_STOPPED: "what: 'catch-up'",
  RECONCILE_STOPPED: "what: 'reconcile'",
  SCRUB_STOPPED: "what: 'scrub'",
}

describe('the table of errors', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('error-help'))
    .map((name) => readFileSync(join(root, 'src', name), 'utf8'))
    .join('\n')
  const listed = ERROR_HELP.flatMap(({ errors }) => Object.keys(errors))

  it('has every code that the source raises, once, and no other', () => {
    const raised = [...sources.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g)].map(([, code = '']) => code)
    const made = Object.entries(MADE).map(([code, source]) => [code, sources.includes(source)])
    expect(made.filter(([, known]) => known !== true)).toEqual([])
    expect([...listed].sort()).toEqual([...new Set([...raised, ...Object.keys(MADE)])].sort())
  })

  it('says of each what happened, why and what to do, in whole sentences', () => {
    for (const { errors } of ERROR_HELP) {
      for (const [code, help] of Object.entries(errors)) {
        for (const text of Object.values(help))
          expect([code, text]).toEqual([code, expect.stringMatching(/^\S.*\.$/)])
      }
    }
  })

  it('is what the docs say', () => {
    expect(readFileSync(join(root, 'docs', 'errors.md'), 'utf8')).toBe(errorsMarkdown())
  })

  it('is printed whole by help, and by code', async () => {
    const all = await runHere(['help', 'errors'])
    expect(all.code).toBe(0)
    for (const code of listed) expect(all.stdout).toContain(`\n${code}\n    `)
    const one = await runHere(['errors', 'storage_clash'])
    expect([one.code, one.stdout.split('\n')[0]]).toEqual([0, 'STORAGE_CLASH'])
    expect(await runHere(['errors', 'NO_SUCH'])).toMatchObject({ code: 2, stdout: '' })
  })
})
