import { describe, expect, it } from 'vitest'
import { type Result, runHere } from './scripted.ts'

const CONFIG = ['--config', 'config/koji-staging-sync.toml', '--set', 'bus.fedmsg.validate_signatures=false']

const scrub = (script: string, ...flags: string[]): Promise<Result> =>
  runHere(['scrub', ...flags, ...CONFIG], { script })

describe('scrub', () => {
  it.each([
    ['', 0],
    ['drift', 3],
    ['queued', 3],
    ['drift,held', 4],
    ['drift,held,parked', 1],
  ])('that finds %j exits with %i', async (script, code) => {
    expect((await scrub(script, '--once')).code).toBe(code)
  })

  it('prints each difference as it is found, without what a name could steer, and the sum at the end', async () => {
    const { stdout } = await scrub('drift,held', '--tag', 'f4*')
    expect(stdout).toContain('+ f43: key0\\u001b[2J')
    expect(stdout).toMatch(
      /2 differences \(1 new, .* 1 held\) in 5 builds; of the keys 1 ended held, 0 parked\n$/,
    )
    expect((await scrub('', '--once')).stdout).toBe('no difference in 5 builds\n')
  })

  it('prints one object a difference as JSON, and no bar where nobody looks on', async () => {
    const { stdout, stderr } = await scrub('drift,queued', '--json')
    const lines = stdout.trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line).state)).toEqual(['drift', 'queued'])
    expect(stderr).toBe('destroyed\n')
  })
})
