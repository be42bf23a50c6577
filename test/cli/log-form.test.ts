import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { logFormOf } from '../../src/cli/log-form.ts'
import { scriptedOperations } from './scripted.ts'

const write = (): void => {}
const around = (stdout: object, env: Record<string, string> = {}) => ({
  env,
  stdout: { write, ...stdout },
  stderr: { write },
  open: async () => scriptedOperations(''),
})

it('the log is for people on a terminal, for journald in the journal, else JSON', () => {
  const directory = mkdtempSync(join(tmpdir(), 'kss-journal-'))
  const fd = openSync(join(directory, 'stream'), 'w')
  onTestFinished(() => {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  const { dev, ino } = fstatSync(fd)
  const JOURNAL_STREAM = `${dev}:${ino}`
  expect(logFormOf(around({ fd, isTTY: true }, { JOURNAL_STREAM }))).toBe('readable')
  expect(logFormOf(around({ fd }, { JOURNAL_STREAM }))).toBe('journal')
  expect(logFormOf(around({ fd }))).toBe('json')
  // Redirected since.
  expect(logFormOf(around({ fd }, { JOURNAL_STREAM: `${dev}:${ino + 1}` }))).toBe('json')
  expect(logFormOf(around({ fd: 99_999 }, { JOURNAL_STREAM }))).toBe('json')
  expect(logFormOf(around({}, { JOURNAL_STREAM }))).toBe('json')
})
