import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const text = readFileSync(join(ROOT, 'docs/proof.md'), 'utf8')

/** "`chaos/chaos`: “title”" in the table of promises; without a title the whole file. */
const named = [...text.matchAll(/`([a-z0-9-]+\/[a-z0-9-]+)`(?:: “([^”]+)”)?/g)]
  .filter(([, file = '']) => !/^(?:src|test)\//.test(file))
  .map(([, file = '', title]) => ({
    file,
    title,
  }))

test('docs/proof.md has the nine promises, each with a named test', () => {
  const rows = text.split('\n').filter((line) => /^\| \d\. /.test(line))
  expect(rows.map((row) => row[2])).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
  for (const row of rows) expect(row).toMatch(/`[a-z0-9-]+\/[a-z0-9-]+`: “/)
})

describe('of what docs/proof.md names', () => {
  for (const { file, title } of named)
    test(`${file}${title === undefined ? '' : `: ${title}`} exists`, () => {
      const path = join(import.meta.dirname, `${file}.test.ts`)
      expect(existsSync(path), path).toBe(true)
      if (title !== undefined) expect(readFileSync(path, 'utf8')).toContain(title)
    })

  test('each command can be run', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>
    }
    for (const [, script = ''] of text.matchAll(/npm run ([a-z]+)/g))
      expect(Object.keys(scripts)).toContain(script)
  })
})
