import { describe, expect, it } from 'vitest'
import { Child } from './child.ts'

const CONFIG = ['--config', 'config/koji-staging-sync.toml']

describe('a signal', () => {
  const start = (script: string, argv: readonly string[]): Child =>
    new Child([...argv, ...CONFIG], { script: 'test/cli/scripted-main.ts', env: { SCRIPT: script } })

  it.each(['SIGTERM', 'SIGINT'] as const)('%s stops the daemon in order with 0', async (name) => {
    const child = start('', ['run'])
    await child.says('running')
    child.kill(name)
    const { code, stdout, stderr } = await child.ended
    expect([code, stderr]).toEqual([0, 'destroyed\n'])
    const lines = stdout.split('\n').filter((line) => line.startsWith('{'))
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      'service started',
      'configuration weakens a promise',
      'configuration weakens a promise',
      'service stopping',
      'service stopped',
    ])
    expect(JSON.parse(lines[0] ?? '').config.staging.idFloor).toBe(1_000_000_000)
  })

  it('sent twice ends a daemon that does not stop', async () => {
    const child = start('stubborn', ['run'])
    await child.says('running')
    child.kill('SIGTERM')
    await child.says('service stopping')
    child.kill('SIGTERM')
    expect(await child.ended).toMatchObject({ code: null, signal: 'SIGTERM' })
  })

  it('stops sync with 0, after its work was given back', async () => {
    const child = start('endless', ['sync', 'tag/f43'])
    await child.says('syncing')
    child.kill('SIGINT')
    const { code, stderr } = await child.ended
    expect([code, stderr]).toEqual([0, 'SIGINT: stopping; once more ends at once\ndestroyed\n'])
  })
})
