import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { printable } from '../../src/model/printable.ts'
import { maskText, maskValue, Secret } from '../../src/model/secret.ts'

describe('a secret', () => {
  it('shows itself only when asked to', () => {
    const secret = new Secret('hunter2')
    expect(secret.reveal()).toBe('hunter2')
    expect(
      [`${secret}`, JSON.stringify({ secret }), inspect({ secret }), String(Object.values(secret))].join(),
    ).not.toContain('hunter2')
  })

  it.each([
    ['postgresql://koji:pw@db/koji', 'postgresql://koji:***@db/koji'],
    ['postgresql://koji:p@w@db/koji', 'postgresql://koji:***@db/koji'],
    ['postgresql://:pw@db/koji', 'postgresql://:***@db/koji'],
    ['two: https://a:x@b/ and https://c:y@d/', 'two: https://a:***@b/ and https://c:***@d/'],
    [
      'postgresql:///k?host=/run&password=pw&sslmode=require',
      'postgresql:///k?host=/run&password=***&sslmode=require',
    ],
    ['https://koji.example.org:8080/a@b', 'https://koji.example.org:8080/a@b'],
    ['https://user@host/', 'https://user@host/'],
    ['a=b password', 'a=b password'],
  ])('is masked in %s', (text, masked) => {
    expect(maskText(text)).toBe(masked)
  })

  it('does not follow a value without end', () => {
    const ring: Record<string, unknown> = { password: 'x' }
    ring.self = ring
    expect(JSON.stringify(maskValue(ring))).toContain('[deeper]')
  })

  it('masks by name, but leaves an absent value absent', () => {
    expect(maskValue({ password: null, token: 7, keys: ['a'] })).toEqual({
      password: null,
      token: 7,
      keys: ['a'],
    })
  })
})

describe('a printable text', () => {
  it('cannot move a cursor, break a line or turn the direction', () => {
    expect(printable('a\u001b[2J\n\u202eb\u2028\u0085é')).toBe('a\\u001b[2J\\u000a\\u202eb\\u2028\\u0085é')
  })
})
