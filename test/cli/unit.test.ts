import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DEFAULT_CONFIG_FILE } from '../../src/cli/program.ts'
import { EXIT } from '../../src/errors.ts'
import { runHere } from './scripted.ts'
import { parseUnit } from './systemd-unit.ts'

const root = join(import.meta.dirname, '..', '..')

describe('the systemd unit', () => {
  const entries = parseUnit(readFileSync(join(root, 'systemd', 'koji-staging-sync.service'), 'utf8'))
  const settingOf = (name: string): string | undefined => entries.find((entry) => entry.name === name)?.value

  it('starts a command that exists, with flags that it has and the file that is looked for', async () => {
    const [binary = '', command = '', ...rest] = (settingOf('ExecStart') ?? '').split(' ')
    const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(Object.keys(bin)).toContain(binary.split('/').at(-1))
    const { code, stdout } = await runHere([command, '--help'])
    expect(code).toBe(0)
    for (const flag of rest.filter((word) => word.startsWith('-'))) expect(stdout).toContain(`${flag} `)
    expect(rest).toContain(DEFAULT_CONFIG_FILE)
  })

  it('is not started again where that would not help', () => {
    expect(settingOf('Restart')).toBe('on-failure')
    expect(settingOf('RestartPreventExitStatus')?.split(' ').map(Number)).toEqual([
      EXIT.usage,
      EXIT.safety,
      EXIT.config,
    ])
  })

  it('leaves more time to stop than the service takes by default', () => {
    expect(Number(settingOf('TimeoutStopSec'))).toBeGreaterThan(20)
  })

  it('sets nothing twice and runs as its own user', () => {
    const names = entries.map(({ section, name }) => `${section}.${name}`)
    expect(new Set(names).size).toBe(names.length)
    expect(settingOf('User')).toBe('koji-staging-sync')
    expect(settingOf('NoNewPrivileges')).toBe('yes')
  })
})
