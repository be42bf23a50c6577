import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { StopError } from '../../src/errors.ts'
import type { Timestamp } from '../../src/model/time.ts'
import { runProgram } from '../../src/operations/snapshot.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { scratchHome } from '../support/scratch.ts'

const EVENT = { id: 7, time: '2026-11-22 20:00:00.000000' as Timestamp }

/** Says that it runs; told to end, it tidies up first. */
const SCRIPT = 'trap "touch $STAGING_TOPDIR/tidied; exit 1" TERM; echo runs; while :; do sleep 0.1; done'

it('a program that is stopped is waited for, and that is no failure of it', async () => {
  const topdir = mkdtempSync(join(scratchHome(), 'kss-program-'))
  onTestFinished(() => rmSync(topdir, { recursive: true }))
  const stop = new AbortController()
  const error = await runProgram('/bin/sh', ['-c', SCRIPT], {
    timeoutMs: PATIENCE_MS,
    topdir,
    event: EVENT,
    signal: stop.signal,
    say: () => stop.abort(),
  }).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(StopError)
  expect(existsSync(join(topdir, 'tidied'))).toBe(true)
})

it('one that took longer than allowed is ended and named', async () => {
  const topdir = mkdtempSync(join(scratchHome(), 'kss-program-'))
  onTestFinished(() => rmSync(topdir, { recursive: true }))
  const { signal } = new AbortController()
  await expect(
    runProgram('/bin/sh', ['-c', SCRIPT], { timeoutMs: 300, topdir, event: EVENT, signal, say: () => {} }),
  ).rejects.toMatchObject({
    code: 'SNAPSHOT_FAILED',
    message: expect.stringContaining('longer than allowed'),
  })
})
