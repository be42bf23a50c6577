import { describe, expect, it } from 'vitest'
import { parseSince } from '../../src/cli/since.ts'
import { type Result, runHere } from './scripted.ts'

const CONFIG = ['--config', 'config/koji-staging-sync.toml']

function scripted(argv: readonly string[], script = '', tty = false): Promise<Result> {
  return runHere([...argv, ...CONFIG], { script, tty })
}

describe('catch-up', () => {
  it.each([
    ['', 0],
    ['held', 4],
    ['parked', 1],
    ['failing', 1],
  ])('that ends %s exits with %i', async (script, code) => {
    expect((await scripted(['catch-up'], script)).code).toBe(code)
  })

  it('writes a JSON object a line where nobody looks, and a bar with a last line on a terminal', async () => {
    const piped = await scripted(['catch-up', '--since', '42'])
    const lines = piped.stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).kind)).toEqual(['finding', 'converging', 'end'])
    expect(JSON.parse(lines[2] as string)).toMatchObject({ cursor: 42, keys: 12, daemons: true })
    const { stdout } = await scripted(['catch-up'], 'parked', true)
    expect(stdout).toContain('\r[##----------------------] reading history: 500 rows, 12 keys')
    expect(stdout.split('\r').at(-1)).toBe(
      "caught up with prod's event 777: 12 keys by the daemon in 500 rows; 0 ended held, 1 parked\n  parked  build/0  HUB_FAULT: no\\u001b[2J https://a:***@b/\n",
    )
  })

  it('names what fails again and again', async () => {
    const { stdout } = await scripted(['catch-up'], 'failing', true)
    expect(stdout).toMatch(
      /0 ended held, 0 parked, 1 fail and will be tried again\n {2}failing {2}tag\/0 {2}HUB_FAULT: no/,
    )
  })

  it.each([
    [['--since', 'yesterday']],
    [['--since', '2026-13-01']],
    [['--since', '-5']],
    [['--prod-restored', '--since', '2026-01-01']],
    [['extra']],
  ])('refuses %j as a wrong command line', async (flags) => {
    expect((await scripted(['catch-up', ...flags])).code).toBe(2)
  })

  it('takes an event, or a time that is UTC unless it says otherwise', () => {
    expect(parseSince('4711')).toBe(4711)
    expect(parseSince('2026-01-31')).toBe('2026-01-31 00:00:00.000000')
    expect(parseSince('2026-01-31 04:05')).toBe('2026-01-31 04:05:00.000000')
    expect(parseSince('2026-01-31T04:05:06.5+02:00')).toBe('2026-01-31 02:05:06.500000')
    expect(parseSince('2026-01-31T04:05:06Z')).toBe('2026-01-31 04:05:06.000000')
  })
})

describe('event', () => {
  it('prints the event alone, or as JSON', async () => {
    expect(await scripted(['event', '7', '--tag', 'f43'])).toMatchObject({ code: 0, stdout: '1000000007\n' })
    const { stdout } = await scripted(['event', '7', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ prodEvent: 7, stagingEvent: 1_000_000_007 })
  })

  it('says why there is none, and what is near, with exit status 3', async () => {
    const { code, stdout } = await scripted(['event', '7', '--tag', 'f43'], 'none')
    expect(code).toBe(3)
    expect(stdout).toBe("prod's event 7 is not reproducible; nearest is 5 (staging's 5)\n  f43\\u001b[2J\n")
  })

  it.each([[['0']], [['x']], [['-1']], [[]]])('refuses %j', async (args) => {
    expect((await scripted(['event', ...args])).code).toBe(2)
  })
})

describe('reconcile', () => {
  it('shows how far it is on a terminal, and leaves the terminal with the report alone', async () => {
    const { stdout } = await scripted(['reconcile'], '', true)
    expect(stdout).toContain('\r[######------------------] comparing: 1 of 4 tags, 5 taggings')
    expect(stdout.split('\r').at(-1)).toBe('no difference in 2 tags with 5 taggings\n')
    for (const flags of [['--json'], []]) {
      const piped = await scripted(['reconcile', ...flags], 'drift', flags.length > 0)
      expect(piped.stdout).not.toMatch(/\r|comparing/)
    }
  })

  it('as does sync of several keys, a line each, and of one key nothing but its line', async () => {
    const many = await scripted(['sync', 'tag/f41', 'tag/f42'], 'applied,unchanged', true)
    expect(many.stdout).toContain('\r[------------------------] 0 of 2 keys')
    expect(many.stdout.match(/\n/g)).toHaveLength(2)
    expect((await scripted(['sync', 'tag/f41'], 'applied', true)).stdout).not.toContain('[')
  })

  it.each([
    [['--allow-removals', '0']],
    [['--allow-removals', 'all']],
    [['--allow-removals', '5', '--dry-run']],
    [['--tag', 'f[4']],
    [['--tag', '']],
  ])('refuses %j as a wrong command line', async (flags) => {
    const { code, stderr } = await scripted(['reconcile', ...flags])
    expect(code).toBe(2)
    expect(stderr).toContain('error USAGE')
  })
})
