import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { OPTIONS } from '../../src/config/options.ts'
import { EXIT } from '../../src/errors.ts'
import { runHere } from './scripted.ts'
import { parseUnit } from './systemd-unit.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'systemd')

type Entries = ReturnType<typeof parseUnit>

const read = (name: string): Entries => parseUnit(readFileSync(join(FOLDER, name), 'utf8'))
const one = (unit: Entries, section: string, wanted: string): string | undefined => {
  const values = unit.filter((entry) => entry.section === section && entry.name === wanted)
  expect(values.length).toBeLessThanOrEqual(1)
  return values[0]?.value
}
const sectionsOf = (unit: Entries): string[] => [...new Set(unit.map(({ section }) => section))]

it('names a command line that the program knows, and takes drift and held clashes for no failure', async () => {
  const service = read('koji-staging-sync-reconcile.service')
  expect(sectionsOf(service)).toEqual(['Unit', 'Service'])
  expect(one(service, 'Service', 'Type')).toBe('oneshot')
  const [program, ...argv] = (one(service, 'Service', 'ExecStart') as string).split(' ')
  expect(program).toBe('/usr/bin/koji-staging-sync')
  const file = argv.indexOf('--config') + 1
  expect((await runHere(argv.with(file, 'config/koji-staging-sync.toml'), { script: '' })).code).toBe(0)
  expect(one(service, 'Service', 'SuccessExitStatus')).toBe(`${EXIT.drift} ${EXIT.held}`)
  expect(one(service, 'Service', 'TimeoutStartSec')).toBe('infinity')
  const daemon = read('koji-staging-sync.service')
  for (const name of ['User', 'Group', 'NoNewPrivileges', 'ProtectSystem', 'RestrictAddressFamilies'])
    expect(one(service, 'Service', name)).toBe(one(daemon, 'Service', name))
  expect(argv[file]).toBe((one(daemon, 'Service', 'ExecStart') as string).split(' ').at(-1))
})

it('runs once a day when the daemon would, with its jitter, and makes up for a missed one', () => {
  const timer = read('koji-staging-sync-reconcile.timer')
  expect(sectionsOf(timer)).toEqual(['Unit', 'Timer', 'Install'])
  expect(one(timer, 'Timer', 'OnCalendar')).toBe(`*-*-* ${OPTIONS.reconcile.at.default}:00`)
  expect(one(timer, 'Timer', 'RandomizedDelaySec')).toBe(
    `${OPTIONS.reconcile.jitter_seconds.default / 60}min`,
  )
  expect(one(timer, 'Timer', 'Persistent')).toBe('true')
  expect(one(timer, 'Install', 'WantedBy')).toBe('timers.target')
})
