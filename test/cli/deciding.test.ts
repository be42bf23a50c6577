import { describe, expect, it } from 'vitest'
import { runHere } from './scripted.ts'

const CONFIG = ['--config', 'config/koji-staging-sync.toml']
const here = (argv: string[], script?: string, env: Record<string, string> = {}) =>
  runHere([...argv, ...CONFIG], { env, ...(script === undefined ? {} : { script }) })

describe('clashes and parked', () => {
  it('lists clashes with who decided, without terminal codes, and ends with 4 while one is held', async () => {
    const { code, stdout } = await here(['clashes', 'list'])
    expect(code).toBe(0)
    expect(stdout).toContain('build/7 (bash-5-1)  nvr bash-5-1\\u001b[2J')
    expect(stdout).toContain('hold       tag/3  by eva on h1, 2026-01-02T03:04:05Z')
    expect((await here(['clashes', 'list'], 'held')).code).toBe(4)
    expect(JSON.parse((await here(['clashes', 'list', '--json'])).stdout).clashes).toHaveLength(1)
  })

  it('shows both sides of one, with passwords masked', async () => {
    const { code, stdout } = await here(['clashes', 'show', 'build/7'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      / {2}prod\n {4}\{\n {6}"source": "https:\/\/a:\*\*\*@b\/"\n {4}\}\n {2}staging\n {4}none/,
    )
  })

  it('decides for a key as the person behind sudo, and says who sees to it', async () => {
    const { code, stdout } = await here(['clashes', 'resolve', 'build/101', 'local-wins'], '', {
      SUDO_USER: 'eva',
    })
    expect([code, stdout]).toEqual([
      0,
      'build/101 local-wins eva: local-wins, recorded for eva (`koji-staging-sync audit`); marked; no daemon runs: start it, or `koji-staging-sync sync build/101 local-wins eva`\n',
    ])
    expect((await here(['clashes', 'resolve', 'build/101', 'config'], 'daemon')).stdout).toContain(
      'the daemon sees to it',
    )
  })

  it('shows who did what by hand, of one key or of all, without terminal codes', async () => {
    expect(await here(['audit'])).toMatchObject({
      code: 0,
      stdout: 'nobody has decided or retried anything by hand\n',
    })
    expect((await here(['audit', 'tag/3'])).stdout).toBe(
      '2026-01-02T03:04:05Z  eva\\u001b[2J on h1  clashes resolve  tag/3 (bash-5-1)  prod-wins\n',
    )
    expect(JSON.parse((await here(['audit', '--json'], 'held')).stdout)).toMatchObject([
      { subject: 'build/7' },
    ])
  })

  it.each([
    [['clashes', 'resolve', 'build/101'], "missing required argument 'policy'"],
    [['clashes', 'resolve', 'build/101', 'prod'], 'Allowed choices are prod-wins, local-wins, hold, config'],
    [['clashes', 'show', 'colour/blue'], 'not a key'],
    [['parked', 'retry'], 'name keys, or --all'],
    [['parked', 'retry', 'build/1', '--all'], 'name keys, or --all'],
  ])('ends with 2 for %j', async (argv, text) => {
    const { code, stderr } = await here(argv)
    expect(code).toBe(2)
    expect(stderr).toContain(text)
  })

  it('lists parked keys, ends with 1 while there are any, and tries one or all anew', async () => {
    expect(await here(['parked', 'list'])).toMatchObject({ code: 0, stdout: 'nothing is parked\n' })
    const { code, stdout } = await here(['parked', 'list'], 'parked')
    expect(code).toBe(1)
    expect(stdout).toContain('build/7  HUB_FAULT: no\\u001b[2J\n')
    expect((await here(['parked', 'retry', 'build/7'])).stdout).toContain('1 key: marked')
    expect((await here(['parked', 'retry', '--all'])).stdout).toContain('2 keys: marked')
  })
})
