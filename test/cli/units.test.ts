import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { DEFAULT_CONFIG_FILE } from '../../src/cli/program.ts'
import { OPTIONS } from '../../src/config/options.ts'
import { EXIT } from '../../src/errors.ts'
import { runHere } from './scripted.ts'
import { parseUnit } from './systemd-unit.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = join(root, 'systemd')
const names = readdirSync(folder)
const units = names.filter((name) => /\.(service|timer)$/.test(name))
const services = names.filter((name) => name.endsWith('.service'))
const daemons = services.filter((name) => !name.includes('reconcile'))
const text = (name: string): string => readFileSync(join(folder, name), 'utf8')
const settingsOf = (name: string) => {
  const entries = parseUnit(text(name))
  return (wanted: string): string[] =>
    entries.filter((entry) => entry.name === wanted).map(({ value }) => value)
}
const packageFile = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  bin: Record<string, string>
  man: string[]
}

describe('every unit', () => {
  it.each(units)('%s: sets nothing twice, and names a manual page that is shipped', (name) => {
    const entries = parseUnit(text(name)).map(({ section, name: setting }) => `${section}.${setting}`)
    expect(new Set(entries).size).toBe(entries.length)
    const [page = '', section] = settingsOf(name)('Documentation')[0]?.match(/[\w-]+(?=\()|\d(?=\))/g) ?? []
    expect(packageFile.man).toContain(`./man/${page}.${section}`)
  })

  it.each(services)('%s: a program, a command, flags and a configuration that are there', async (name) => {
    const [program = '', command = '', ...rest] = settingsOf(name)('ExecStart')[0]?.split(' ') ?? []
    expect(Object.keys(packageFile.bin).map((bin) => `/usr/bin/${bin}`)).toContain(program)
    const { code, stdout } = await runHere([command, '--help'])
    expect(code).toBe(0)
    for (const flag of rest.filter((word) => word.startsWith('-'))) expect(stdout).toContain(`${flag} `)
    const configuration = rest.at(-1) ?? ''
    if (name.includes('@')) expect(configuration).toBe(`${dirname(DEFAULT_CONFIG_FILE)}/%i.toml`)
    else expect(configuration).toBe(DEFAULT_CONFIG_FILE)
  })

  it.each(services)('%s: can write staging and no more, as a user of its own', (name) => {
    const of = settingsOf(name)
    expect(of('ProtectSystem')).toEqual(['strict'])
    expect(of('ReadWritePaths')).toEqual([`-${OPTIONS.staging.topdir.example}`])
    expect(of('CapabilityBoundingSet')).toEqual(['CAP_CHOWN'])
    expect(of('NoNewPrivileges')).toEqual(['yes'])
    expect(text('koji-staging-sync.sysusers.conf')).toContain(`\nu ${of('User')[0]} `)
    const directory = dirname(DEFAULT_CONFIG_FILE)
    expect(text('koji-staging-sync.tmpfiles.conf')).toContain(`\nd ${directory} 0750 root ${of('Group')[0]} `)
    // V8 makes code at run time.
    expect(of('MemoryDenyWriteExecute')).toEqual([])
  })

  it.each(services)('%s: gets the password as the credential that the program looks for', (name) => {
    // Without a path, so that a missing file is none: systemd.exec(5).
    const own = name.includes('@') ? 'koji-staging-sync.%i' : 'koji-staging-sync'
    expect(settingsOf(name)('LoadCredential')).toEqual([`database_password:${own}.database_password`])
    expect(OPTIONS.staging.database_password_file.help).toContain('credential `database_password`')
  })

  it('has a template that differs from the unit only by its name', () => {
    const [, ...template] = text('koji-staging-sync@.service').split('\n')
    const plain = text('koji-staging-sync.service').split('\n')
    const differing = template.filter((line, i) => line !== plain[i])
    expect(template.length).toBe(plain.length)
    expect(differing.every((line) => line.includes('%i'))).toBe(true)
  })

  it('has a timer whose service is there', () => {
    for (const timer of names.filter((name) => name.endsWith('.timer')))
      expect(names).toContain(timer.replace('.timer', '.service'))
  })
})

describe.each(daemons)('%s', (name) => {
  const of = settingsOf(name)

  it('is told how the daemon goes, and reads its configuration again by the signal that it takes', () => {
    expect([of('Type'), of('NotifyAccess')]).toEqual([['notify'], ['main']])
    expect(of('ExecReload')).toEqual(["/bin/sh -c 'kill -HUP $$MAINPID'"])
    // One of the loops says so each second or so; those that wait for long have times of their own.
    expect(Number(of('WatchdogSec')[0])).toBeGreaterThanOrEqual(120)
  })

  it('is not started again where that would not help', () => {
    expect(of('Restart')).toEqual(['on-failure'])
    expect(of('RestartPreventExitStatus')[0]?.split(' ').map(Number)).toEqual([
      EXIT.usage,
      EXIT.safety,
      EXIT.config,
    ])
  })

  it('has more time to stop than the service takes by default, and memory that node keeps below', () => {
    const grace = OPTIONS.worker.shutdown_grace_seconds.default
    expect(Number(of('TimeoutStopSec')[0])).toBeGreaterThan(grace)
    const heap = Number(/--max-old-space-size=(\d+)/.exec(of('Environment')[0] ?? '')?.[1]) * 1024 ** 2
    expect(heap).toBeLessThan(Number.parseInt(of('MemoryHigh')[0] ?? '', 10) * 1024 ** 3)
  })
})

// Only where systemd is installed.
describe('systemd-analyze', () => {
  const missing = spawnSync('systemd-analyze', ['--version']).error !== undefined
  /** The units with a program that is there, the template with a name. */
  const here = (): string[] => {
    const directory = mkdtempSync(join(tmpdir(), 'kss-units-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    return units.map((name) => {
      const path = join(directory, name.replace('@.', '@one.'))
      writeFileSync(path, text(name).replaceAll('/usr/bin/koji-staging-sync', process.execPath))
      return path
    })
  }

  it('takes them without a word', () => {
    if (missing) return
    const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...here()], { encoding: 'utf8' })
    expect(stderr.split('\n').filter((line) => line.includes('koji-staging-sync'))).toEqual([])
  })

  it('finds little to attack', () => {
    if (missing) return
    const paths = here().filter((path) => path.endsWith('.service'))
    const { status, stdout } = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--threshold=25', '--no-pager', ...paths],
      { encoding: 'utf8' },
    )
    // Those before 250 cannot look at files.
    if (stdout === '') return
    expect([status, stdout.match(/exposure level for [^:]*: \d\.\d/g)?.length]).toEqual([0, services.length])
  })
})
