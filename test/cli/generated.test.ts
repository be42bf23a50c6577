import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TABLES } from '../../src/config/options/tables.ts'
import { OPTIONS } from '../../src/config/options.ts'
import { runHere } from './scripted.ts'

const root = join(import.meta.dirname, '..', '..')
const shipped = (path: string): string => readFileSync(join(root, path), 'utf8')
const SETTINGS = [
  ...Object.entries(OPTIONS).flatMap(([section, names]) =>
    Object.keys(names).map((name) => `${section}.${name}`),
  ),
  ...Object.keys(TABLES),
]

describe('what is made of the tables of commands and settings', () => {
  it.each([
    [['manual'], 'man/koji-staging-sync.1'],
    [['completion', 'bash'], 'completions/koji-staging-sync.bash'],
    [['completion', 'zsh'], 'completions/koji-staging-sync.zsh'],
    [['completion', 'fish'], 'completions/koji-staging-sync.fish'],
  ])('%j is %s, whatever this environment sets', async (argv, path) => {
    const env = { KOJI_STAGING_SYNC_CONFIG: '/elsewhere.toml' }
    const { code, stdout } = await runHere(argv, { env })
    expect(code).toBe(0)
    expect(stdout).toBe(shipped(path))
  })

  it('has every command, flag and setting in the manual', async () => {
    const page = shipped('man/koji-staging-sync.1').replaceAll('\\-', '-')
    const commands = /^Commands:\n([\s\S]*?)\n\n/m.exec((await runHere(['--help'])).stdout)?.[1] ?? ''
    const names = [...commands.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name)
    expect(names).toContain('reconcile')
    for (const name of names.filter((one) => one !== 'help')) {
      expect(page).toMatch(new RegExp(`^\\.SS ${name}( |$)`, 'm'))
      const { stdout } = await runHere([name, '--help'])
      for (const [flag] of stdout.matchAll(/--[a-z-]+ <[^>]+>/g)) expect(page).toContain(flag)
    }
    for (const setting of SETTINGS) expect(page).toContain(`\n.B ${setting}\n`)
    // A line that begins so is a request of troff's.
    for (const line of page.split('\n').filter((one) => /^[.']/.test(one)))
      expect(line).toMatch(/^\.(\\"|TH|SH|SS|TP|PP|B|I|BR|RI|br|nf|fi)( |$)|^\.\\"/)
  })
})

describe('completion in bash', () => {
  const complete = (...words: string[]): string[] => {
    const script = `source completions/koji-staging-sync.bash
      COMP_WORDS=(koji-staging-sync "$@"); COMP_CWORD=$#; _koji_staging_sync; printf '%s\\n' "\${COMPREPLY[@]}"`
    const text = execFileSync('bash', ['-c', script, 'bash', ...words], { cwd: root, encoding: 'utf8' })
    return text.split('\n').filter((word) => word !== '')
  }

  it('knows commands, those below them, flags, choices and settings', () => {
    expect(complete('rec')).toEqual(['reconcile'])
    expect(complete('clashes', 're')).toEqual(['resolve'])
    expect(complete('clashes', 'resolve', 'build/101', 'p')).toEqual(['prod-wins'])
    expect(complete('reconcile', '--dry-run', '--al')).toEqual(['--allow-removals'])
    expect(complete('run', '--set', 'prod.hu')).toEqual(['prod.hub='])
    expect(complete('run', '--config', 'config/koji')).toEqual(['config/koji-staging-sync.toml'])
    expect(complete('reconcile', '--tag', 'f')).toEqual([])
    expect(complete('completion', '')).toEqual(['--help', 'bash', 'zsh', 'fish'])
  })

  it('offers nothing that the program does not take', async () => {
    for (const command of complete('').filter((word) => /^[a-z]/.test(word) && word !== 'help')) {
      const { stdout } = await runHere([command, '--help'])
      for (const flag of complete(command, '--')) expect(stdout).toContain(flag)
    }
  })
})
