import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePattern, compilePatterns } from '../../src/model/pattern.ts'

describe('a shell pattern', () => {
  it.each([
    ['f43', 'f43', true],
    ['f43', 'f43-build', false],
    ['f43', 'xf43', false],
    ['*', '', true],
    ['f*-build', 'f43-build', true],
    ['f*-build', 'f43-build-side-1', false],
    ['*-side-*', 'f43-build-side-12', true],
    ['f4?', 'f4', false],
    ['f4?', 'f4\u{1f600}', true],
    ['epel[89]', 'epel9', true],
    ['epel[!89]', 'epel9', false],
    ['epel[!89]', 'epel', false],
    ['f[0-9]*', 'f-x', false],
    ['x[]a]', 'x]', true],
    ['x[!]a]', 'x]', false],
    ['x[a-]', 'x-', true],
    ['a.c', 'abc', false],
    ['a+(c)', 'a+(c)', true],
    ['F43', 'f43', false],
    ['a]b', 'a]b', true],
  ])('%s for %s: %s', (pattern, name, expected) => {
    expect(compilePattern(pattern)(name)).toBe(expected)
  })

  it('agrees with the same thing as a regular expression', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', '*', '?', '[ab]', '[!a]'), {
      minLength: 1,
      maxLength: 8,
    })
    const names = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 10 })
    fc.assert(
      fc.property(letters, names, (parts, name) => {
        const source = parts.join('').replaceAll('*', '.*').replaceAll('?', '.').replaceAll('[!', '[^')
        return compilePattern(parts.join(''))(name.join('')) === new RegExp(`^${source}$`).test(name.join(''))
      }),
    )
  })

  it('needs few steps for a name that was made to need many', () => {
    expect(compilePattern(`${'a*'.repeat(200)}b`)('a'.repeat(20_000))).toBe(false)
  })

  it.each(['', 'a b', 'a\n', 'f[4', 'f[', 'f[]', 'f[!]', 'f[9-1]'])('refuses %j', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ code: 'PATTERN_INVALID' }))
  })

  it('list covers what any of it covers, an empty one nothing', () => {
    expect(compilePatterns(['f43', 'epel*'])('epel9')).toBe(true)
    expect(compilePatterns([])('f43')).toBe(false)
  })
})
