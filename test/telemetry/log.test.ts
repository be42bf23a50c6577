import { describe, expect, it } from 'vitest'
import { KeyError } from '../../src/errors.ts'
import { Secret } from '../../src/model/secret.ts'
import { createLog, type LogOptions } from '../../src/telemetry/log.ts'

function logged(options: Partial<LogOptions>, use: (log: ReturnType<typeof createLog>) => void): string[] {
  const lines: string[] = []
  use(createLog({ level: 'info', form: 'json', write: (line) => lines.push(line), ...options }))
  return lines
}

describe('the log', () => {
  it('is one JSON object a line with time, level, message and fields', () => {
    const [line = '', ...more] = logged({}, (log) => log.info({ key: 'build/1' }, 'converged'))
    expect(more).toEqual([])
    expect(line.endsWith('\n')).toBe(true)
    const fields = JSON.parse(line) as Record<string, unknown>
    expect(fields).toMatchObject({ level: 'info', msg: 'converged', key: 'build/1' })
    expect(Date.parse(String(fields.time))).toBeGreaterThan(0)
  })

  it('leaves out what is below its level', () => {
    expect(logged({ level: 'warn' }, (log) => log.info('x'))).toEqual([])
  })

  it.each([
    ['a field by its name', { deep: { databasePassword: 'hunter2', PGPASSWORD: 'hunter2' } }],
    ['a header', { headers: { Authorization: 'hunter2', cookie: 'hunter2' } }],
    ['a Secret', { value: new Secret('hunter2') }],
    ['a Secret in a list', { list: [[new Secret('hunter2')]] }],
    ['an address', { url: 'postgresql://koji:hunter2@db/koji' }],
    ['an address with an @ in its password', { url: 'postgresql://koji:h@hunter2@db/koji' }],
    ['a parameter', { url: 'postgresql:///koji?host=/run&password=hunter2' }],
    ['an error', { err: new Error('connecting to https://a:hunter2@b/ failed') }],
    ['the detail of an error', { err: new KeyError('X', 'x', { detail: { password: 'hunter2' } }) }],
    ['an error under another name', { last: new Error('https://a:hunter2@b/') }],
  ])('masks a password in %s', (_, fields) => {
    for (const form of ['json', 'readable'] as const) {
      const [line] = logged({ form, stacks: true }, (log) => log.warn(fields, 'said https://u:hunter2@host/'))
      expect(line).not.toContain('hunter2')
      expect(line).toContain('***')
    }
  })

  it('keeps code and detail of our errors', () => {
    const err = new KeyError('STORAGE_CLASH', 'in the way', { detail: { path: 'packages/a' } })
    const [line = ''] = logged({}, (log) => log.warn({ err }, 'key failed'))
    expect(JSON.parse(line).err).toMatchObject({
      type: 'KeyError',
      code: 'STORAGE_CLASH',
      message: 'in the way',
      detail: { path: 'packages/a' },
    })
  })

  it('is one line for people on a terminal, which no field can steer', () => {
    const fields = {
      key: 'tag/f43',
      reason: 'a "b"\n\u001b[2J',
      rows: 3,
      err: new KeyError('X_Y', 'bad\u001b[31m'),
    }
    const [line = ''] = logged({ form: 'readable' }, (log) => log.warn(fields, 'key failed'))
    expect(line).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} warn {2}key failed key=tag\/f43 reason="a .* rows=3 X_Y: bad/,
    )
    expect(line.trimEnd()).not.toMatch(/\p{Cc}/u)
  })
})

describe('the log in the journal', () => {
  it('has its priority before each line, where journald takes it off', () => {
    const lines = logged({ form: 'journal', level: 'trace' }, (log) => {
      log.trace('t')
      log.debug('d')
      log.info({ level: 'error' }, 'i')
      log.warn('w')
      log.error('e')
    })
    expect(lines.map((line) => line.slice(0, 3))).toEqual(['<7>', '<7>', '<6>', '<4>', '<3>'])
    for (const line of lines) expect(() => JSON.parse(line.slice(3))).not.toThrow()
  })
})
