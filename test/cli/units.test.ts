import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runHere } from './scripted.ts'
import { parseUnit } from './systemd-unit.ts'

const folder = join(import.meta.dirname, '..', '..', 'systemd')
const names = readdirSync(folder)
const services = names.filter((name) => name.endsWith('.service'))
const text = (name: string): string => readFileSync(join(folder, name), 'utf8')

describe('everything for systemd', () => {
  it.each(services)('%s: a command, flags and a configuration that the program knows', async (name) => {
    const start = parseUnit(text(name)).find((entry) => entry.name === 'ExecStart')?.value ?? ''
    const [program, command = '', ...rest] = start.split(' ')
    expect(program).toBe('/usr/bin/koji-staging-sync')
    const { code, stdout } = await runHere([command, '--help'])
    expect(code).toBe(0)
    for (const flag of rest.filter((word) => word.startsWith('-'))) expect(stdout).toContain(`${flag} `)
    expect(rest.at(-1)).toMatch(/^\/etc\/koji-staging-sync\/(koji-staging-sync|%i)\.toml$/)
  })

  it.each(services)('%s: can write staging and no more, as a user of its own', (name) => {
    const of = (wanted: string) =>
      parseUnit(text(name))
        .filter((entry) => entry.name === wanted)
        .map(({ value }) => value)
    expect(of('ProtectSystem')).toEqual(['strict'])
    expect(of('ReadWritePaths')).toEqual(['-/mnt/koji'])
    expect(of('CapabilityBoundingSet')).toEqual(['CAP_CHOWN'])
    expect(text('koji-staging-sync.sysusers.conf')).toContain(`\nu ${of('User')[0]} `)
    expect(text('koji-staging-sync.tmpfiles.conf')).toContain(` ${of('Group')[0]} `)
    // V8 makes code at run time.
    expect(of('MemoryDenyWriteExecute')).toEqual([])
  })

  it('has a template that differs from the unit only by its name', () => {
    const [, ...template] = text('koji-staging-sync@.service').split('\n')
    const plain = text('koji-staging-sync.service').split('\n')
    const differing = template.filter((line, i) => line !== plain[i])
    expect(template.length).toBe(plain.length)
    expect(differing.every((line) => line.includes('%i'))).toBe(true)
  })

  // Only where systemd is installed.
  it('is taken by systemd-analyze', () => {
    if (spawnSync('systemd-analyze', ['--version']).error !== undefined) return
    const directory = mkdtempSync(join(tmpdir(), 'kss-units-'))
    try {
      const units = names.filter((name) => /\.(service|timer)$/.test(name))
      for (const name of units)
        writeFileSync(
          join(directory, name),
          text(name).replaceAll('/usr/bin/koji-staging-sync', process.execPath),
        )
      const files = units.map((name) => join(directory, name.replace('@.', '@one.')))
      writeFileSync(
        join(directory, 'koji-staging-sync@one.service'),
        readFileSync(join(directory, 'koji-staging-sync@.service')),
      )
      const { stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' })
      expect(
        stderr.split('\n').filter((line) => line.includes(directory) || line.includes('koji-staging-sync')),
      ).toEqual([])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
