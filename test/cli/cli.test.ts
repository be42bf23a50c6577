import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Child, runChild } from './child.ts'
import { runHere } from './scripted.ts'

const EXAMPLE = 'config/koji-staging-sync.toml'

describe('the command line', () => {
  it('shows every command and every exit code in its help', async () => {
    const { code, stdout, stderr } = await runHere(['--help'])
    expect([code, stderr]).toEqual([0, ''])
    for (const name of ['init', 'doctor', 'run', 'sync', 'status'])
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'))
    const codes = [...(stdout.split('EXIT STATUS')[1] ?? '').matchAll(/^ {2}(\d+) /gm)].map(([, text]) =>
      Number(text),
    )
    expect(codes).toEqual([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 78])
  })

  it('shows --config and EXIT STATUS in the help of each command', async () => {
    const names = ['init', 'doctor', 'run', 'sync', 'status']
    const helps = await Promise.all(names.map((name) => runHere([name, '--help'])))
    for (const { code, stdout } of helps) {
      expect(code).toBe(0)
      expect(stdout).toContain('--config <file>')
      expect(stdout).toMatch(/EXIT STATUS[\s\S]*\n {2}78 /)
    }
    expect(helps[3]?.stdout).toContain('tagged/f43/bash')
  })

  it.each([
    [[], 'Usage: koji-staging-sync'],
    [['stats'], "error USAGE: unknown command 'stats'\n(Did you mean status?)"],
    [['status', '--jsn'], "error USAGE: unknown option '--jsn'\n(Did you mean --json?)"],
    [['status', 'extra'], 'error USAGE: too many arguments'],
    [['sync'], "error USAGE: missing required argument 'key'"],
    [['sync', 'tag/f43', 'tga/f43'], 'not a key: "tga/f43"; a key looks like build/101'],
    [['run', '--config'], "error USAGE: option '-c, --config <file>' argument missing"],
  ])('ends with 2 for %j', async (argv, text) => {
    const { code, stdout, stderr } = await runHere(argv)
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(text)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  it('ends with 78 and every problem for a wrong configuration, without a stack', async () => {
    const env = { KOJI_STAGING_SYNC_CONFIG: EXAMPLE, KOJI_STAGING_SYNC_PROD_HUB: 'ftp://x' }
    const { code, stdout, stderr } = await runHere(['run', '--set', 'log.levle=debug'], { env })
    expect([code, stdout]).toEqual([78, ''])
    expect(stderr).toBe(
      [
        `error CONFIG_INVALID: ${EXAMPLE}: 2 problems`,
        '  --set log.levle: there is no such setting; did you mean log.level?',
        '  prod.hub: must be an http:// or https:// address (from KOJI_STAGING_SYNC_PROD_HUB)',
        'hint: `koji-staging-sync options` shows every setting, `options --example` a whole file',
        '',
      ].join('\n'),
    )
  })

  it('looks for the file where the unit puts it when none is named', async () => {
    const { stdout } = await runHere(['run', '--help'])
    expect(stdout.replace(/\s+/g, ' ')).toContain(
      '(default: "/etc/koji-staging-sync/koji-staging-sync.toml")',
    )
  })

  it('shows the options and an example file without a configuration', async () => {
    const [options, example] = await Promise.all([runHere(['options']), runHere(['options', '--example'])])
    expect([options.code, example.code]).toEqual([0, 0])
    expect(options.stdout).toContain('KOJI_STAGING_SYNC_STAGING_DATABASE\n')
    expect(example.stdout).toContain('[bus.fedmsg]')
  })

  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
    expect(await runHere(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('the binary', () => {
  it('hands over arguments, environment and exit code', async () => {
    const env = { KOJI_STAGING_SYNC_CONFIG: '/nonexistent.toml' }
    const [help, usage, config] = await Promise.all([
      runChild(['--help']),
      runChild(['sync', 'x']),
      runChild(['run'], { env }),
    ])
    expect([help.code, usage.code, config.code]).toEqual([0, 2, 78])
    expect(help.stdout).toContain('EXIT STATUS')
    expect(config.stderr).toContain('error CONFIG_INVALID: /nonexistent.toml: 1 problem\n')
  })

  it('ends quietly when nobody reads its output', async () => {
    const child = new Child(['options'])
    child.closeOutput()
    expect(await child.ended).toMatchObject({ code: 0, stderr: '' })
  })
})
