import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

// `npm run schedules` plays more of them. Each in a process of its own: its clock and timers are not those of a test run.
const SEED = '1'

/** What it said, and its exit code. */
function schedules(...argv: string[]): Promise<{ code: number; said: string }> {
  const script = join(import.meta.dirname, 'run.ts')
  const words = ['--import', 'tsx', script, '--runs', '1', '--seed', SEED, ...argv]
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      words,
      { cwd: join(import.meta.dirname, '..', '..') },
      (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), said: `${stdout}${stderr}` }),
    )
  })
}

test('steps of two daemons, a hub and staging’s people in the order of a seed end equal, and are the same again', async () => {
  // Twice at most: what neither of its clocks sees (a process that is stopped) can part two plays.
  const once = await schedules('--twice')
  const { code, said } = once.said.includes('not the same again') ? await schedules('--twice') : once
  expect(said).toMatch(/1 schedules from seed 1, \d{3} steps, each played twice: 0 bad/)
  expect(code).toBe(0)
})

test('with the fence off this order is noticed', async () => {
  const { code, said } = await schedules('--mutant', 'fence-off')
  expect(said).toMatch(/: 1 bad \(1\)/)
  expect(code).toBe(0)
})
