import { describe, expect, it } from 'vitest'
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
    expect((await scripted('', ['reconcile'])).stdout).toBe('equal: 2 tags with 5 taggings\n')
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
    expect(text.stdout).toContain('  ready     1 live, 2 sweep; the oldest 7 s\n')
    expect(text.stdout).toContain('clashes\n  none\n')
    expect(text.stdout).toContain('  history  event 777, last success never\n')
    expect(text.stdout).toContain(
      'build/7  STORAGE_SOURCE_MISSING: gone (9 attempts, since 2026-01-02T03:04:05Z)\n  and 59 more\n',
    )
    expect(JSON.parse(json.stdout)).toMatchObject({ queue: { parked: 60 }, debts: 0 })
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
