import { describe, expect, it } from 'vitest'
import { statusText } from '../../src/cli/render-status.ts'
import type { StatusReport } from '../../src/model/status.ts'
import { verdictOf } from '../../src/model/verdict.ts'
import { QUIET } from '../support/quiet-status.ts'
import { type Result, runHere } from './scripted.ts'

const CONFIG = ['--config', 'config/koji-staging-sync.toml']

function scripted(script: string, argv: readonly string[]): Promise<Result> {
  return runHere([...argv, ...CONFIG], { script })
}

describe('sync', () => {
  it.each([
    ['applied,unchanged,skipped', 0],
    ['applied,held,unchanged', 4],
    ['held,failed,applied', 1],
    ['waiting,applied,applied', 1],
    ['applied,applied,parked', 1],
  ])('that ends %s exits with %i', async (script, code) => {
    const ended = await scripted(script, ['sync', 'tag/f40', 'tag/f41', 'tag/f42'])
    expect(ended.code).toBe(code)
    expect(ended.stdout.trimEnd().split('\n')).toHaveLength(3)
    expect(ended.stderr).toBe('destroyed\n')
  })

  it('prints one line a key, which a name cannot steer and which holds no secret', async () => {
    const { stdout } = await scripted('applied,held', ['sync', 'tag/f40', 'tag/f41'])
    expect(stdout).toBe(
      'tag/f40  applied  12 rows  3 ms\ntag/f41  held  because\\u001b[2J of https://a:***@b/  3 ms\n',
    )
  })
})

describe('reconcile', () => {
  it.each([
    ['', [], 0],
    ['drift', [], 3],
    ['drift', ['--dry-run'], 3],
    ['queued', ['--dry-run'], 3],
    ['drift,held', [], 4],
    ['held', ['--dry-run'], 4],
    ['drift,held,parked', [], 1],
    ['parked', ['--dry-run'], 1],
  ])('that finds %j with %j exits with %i', async (script, flags, code) => {
    expect((await scripted(script, ['reconcile', ...flags])).code).toBe(code)
  })

  it('prints differences by tag and kind, bounded, with totals, and nothing that a name could steer', async () => {
    const script = Array.from({ length: 12 }, () => 'drift').join(',')
    const { stdout } = await scripted(script, ['reconcile', '--tag', 'f4*'])
    expect(stdout).toContain('tag f43 extra (12)\n  + f43: key0\\u001b[2J  {"value":"https://a:***@b/"}\n')
    expect(stdout).toContain('  ~ f43: key1\\u001b[2J  {"value":"1"} -> {"value":')
    expect(stdout).toContain(
      '  and 2 more\n12 differences (12 new, 0 known already, 0 parked, 0 held) in 2 tags',
    )
    expect((await scripted('', ['reconcile'])).stdout).toBe('no difference in 2 tags with 5 taggings\n')
  })

  it('prints one object a difference as JSON', async () => {
    const { stdout } = await scripted('drift,queued', ['reconcile', '--dry-run', '--json'])
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ key, kind, state }) => [key, kind, state])).toEqual([
      ['tag/0', 'extra', 'drift'],
      ['tag/1', 'extra', 'queued'],
    ])
    expect(Object.keys(lines[0])).toEqual(['key', 'kind', 'subject', 'tag', 'state', 'prod', 'staging'])
  })
})

describe('doctor', () => {
  it.each([
    ['', 0],
    ['failing', 1],
    ['unsafe', 14],
  ])('with script %j exits with %i', async (script, code) => {
    const ended = await scripted(script, ['doctor'])
    expect(ended.code).toBe(code)
    expect(ended.stdout).toContain(
      'ok    hub.version: 1.35.3\nwarn  bus.silence: quiet\n      do: look at the bus\n',
    )
  })
})

describe('status and init', () => {
  it('shows figures for people, or as JSON', async () => {
    const [text, json] = await Promise.all([scripted('', ['status']), scripted('', ['status', '--json'])])
    expect([text.code, json.code]).toEqual([0, 0])
    for (const line of [
      'Being made equal: 10 keys in the queue, the oldest due for 7 s; 60 keys parked\n',
      'queue       1 live, 2 sweep ready; 4 worked on; 0 waiting; 3 tried again later; 1 equal, looked at again\n',
      'oldest due  7.4 s\n',
      'parked      60\n',
      'clashes     0 held, 0 prod won, 0 local won\n',
      'last 5 min  4 messages came, 3 keys made equal, lag 30 ms, at most 200 ms\n',
      'daemons     h1 process 7, since 60 min ago\n',
      '  5 s ago     applied  build/7 (bash-5-1)  12 rows\n',
      '  reconcile tags, settings, lists, builds and their signing keys: compared 2 h ago, 2 differences in 3 tags, 9 taggings; nobody had told of 2 signatures\n',
      '  history  event 777, newest change 5 min ago (2026-01-31T04:00:00Z)\n',
      "placement   copy: 5 builds, 3 GiB of staging's own; 1 coming, 0 going\n",
      '  build/7  STORAGE_SOURCE_MISSING: gone\\u001b[2J https://a:***@b/ (9 attempts, since 2026-01-31T04:00:00Z)\n  and 59 more: parked list\n',
    ])
      expect(text.stdout).toContain(line)
    expect(text.stdout).toMatch(/^lag, 1 h {4}\u00b7{58}\u2584\u00b7$/m)
    expect(JSON.parse(json.stdout)).toMatchObject({
      verdict: {
        title: 'Being made equal',
        compared: [{ by: 'live' }, { by: 'reconcile' }, { by: 'scrub' }],
      },
      queue: { parked: 60 },
      debts: 0,
    })
  })

  it('is coloured on a terminal only, and not where NO_COLOR is said', async () => {
    const paint = async (tty: boolean, env: Record<string, string> = {}) =>
      (await runHere(['status', '--config', 'config/koji-staging-sync.toml'], { tty, env })).stdout
    expect(await paint(true)).toContain('\u001b[33mBeing made equal\u001b[39m: 10 keys')
    expect(await paint(true)).toContain('parked      \u001b[31m60\u001b[39m\n')
    // What came from outside is never a colour.
    expect(await paint(true)).not.toContain('\u001b[2J')
    for (const plain of [
      await paint(false),
      await paint(true, { NO_COLOR: '1' }),
      await paint(true, { TERM: 'dumb' }),
    ])
      expect(plain).not.toContain('\u001b')
  })

  it('says that no daemon runs, whatever else is known', () => {
    const text = (daemons: StatusReport['daemons']) => {
      const report = { ...QUIET, daemons }
      return statusText(report, verdictOf(report, null), (_colour, one) => one)
    }
    expect(text(QUIET.daemons)).toMatch(/^No difference known: nothing is queued, parked or held\n/)
    expect(text([])).toMatch(/^No daemon runs: what prod changes is not followed\n[\s\S]*daemons {5}none\n/)
  })

  it('says what init did, adopted and left', async () => {
    const { code, stdout } = await scripted('', ['init'])
    expect([code, stdout]).toEqual([
      0,
      'done      schema: staging_sync\nadopted   1 of kind tag\n          tag f43\nlocal     2 of kind build\n',
    ])
  })
})

describe('an error that ends a command', () => {
  it('is one line with a hint, the code of its class, and no password', async () => {
    const { code, stderr } = await scripted('database', ['init'])
    expect(code).toBe(12)
    expect(stderr).toContain('error DATABASE_AUTH: postgresql://k:***@h: no\nhint: check the user')
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  it('for safety exits with 14, a bug with 1; the stack comes with --debug only', async () => {
    const [safety, bug, debug] = await Promise.all([
      scripted('safety', ['run']),
      scripted('bug', ['run']),
      scripted('bug', ['run', '--debug']),
    ])
    expect([safety.code, bug.code, debug.code]).toEqual([14, 1, 1])
    expect(safety.stderr).toContain('error HUB_WRONG: this is another hub\n')
    expect(bug.stderr).toContain('error INTERNAL: x is undefined\n')
    expect(bug.stderr).not.toMatch(/^\s+at /m)
    expect(debug.stderr).toMatch(/^\s+at /m)
  })
})
