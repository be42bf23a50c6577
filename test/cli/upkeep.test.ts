import { expect, it } from 'vitest'
import { ageText } from '../../src/cli/upkeep-command.ts'
import { type Result, runHere } from './scripted.ts'

const CONFIG = ['--config', 'config/koji-staging-sync.toml', '--set', 'bus.fedmsg.validate_signatures=false']
const run = (argv: string[], script = ''): Promise<Result> => runHere([...argv, ...CONFIG], { script })

it('prune only lists unless told, a JSON object a line where nobody looks on', async () => {
  const { code, stdout } = await run(['prune'])
  expect(code).toBe(0)
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(lines.map(({ kind, outcome }) => `${kind} ${outcome}`)).toEqual(['build prunable', 'end undefined'])
  expect(lines.at(-1)).toMatchObject({ builds: 1, bytes: 3 * 1024 ** 2, removed: false })
  const removed = (await run(['prune', '--yes'])).stdout.trimEnd().split('\n')
  expect(removed.map((line) => JSON.parse(line).kind)).toEqual(['build', 'progress', 'end'])
})

it('prune takes an age in days, and nothing else', async () => {
  expect((await run(['prune', '--older-than', '0.5'])).code).toBe(0)
  for (const text of ['-1', 'soon', '1e3', '99999'])
    expect((await run(['prune', '--older-than', text])).code).toBe(2)
})

it('refresh-snapshot passes on what the program says, and how old the snapshot is now', async () => {
  const { code, stdout } = await run(['refresh-snapshot'])
  expect(code).toBe(0)
  const kinds = stdout.trimEnd().split('\n')
  expect(kinds.map((line) => JSON.parse(line).kind)).toEqual(['running', 'said', 'end'])
})

it('an age is told as people do', () => {
  expect([null, 59, 3600, 7200, 400_000].map(ageText)).toEqual([
    'of unknown age',
    '1 minutes old',
    '60 minutes old',
    '2.0 hours old',
    '4.6 days old',
  ])
})
