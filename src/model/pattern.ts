import { SyncError } from '../errors.ts'

/**
 * Shell patterns over Koji's names (tags, packages): `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`, as Python's fnmatch, which
 * Koji itself uses (koji/util.py `multi_fnmatch`), but always with case. A pattern covers the whole name.
 *
 * Matching never takes more than pattern length times name length steps: names come from outside.
 */
type Token = { readonly kind: 'star' } | { readonly kind: 'one'; accepts(char: string): boolean }

/** True for each name that the pattern covers. */
export type NameMatcher = (name: string) => boolean

/** Throws SyncError PATTERN_INVALID: empty, white space, control characters, an open `[`, a range that runs backwards. */
export function compilePattern(pattern: string): NameMatcher {
  const tokens = tokensOf(pattern)
  return (name) => matches(tokens, [...name])
}

/** True for each name that any of the patterns covers; no pattern covers nothing. */
export function compilePatterns(patterns: readonly string[]): NameMatcher {
  const matchers = patterns.map(compilePattern)
  return (name) => matchers.some((matcher) => matcher(name))
}

/** Those of the patterns that cover none of the names. */
export function idlePatterns(patterns: readonly string[], names: readonly string[]): string[] {
  return patterns.filter((pattern) => !names.some(compilePattern(pattern)))
}

function tokensOf(pattern: string): Token[] {
  if (pattern === '') throw invalid(pattern, 'it is empty')
  if (/[\s\p{Cc}]/u.test(pattern)) throw invalid(pattern, 'no name holds white space or control characters')
  const chars = [...pattern]
  const tokens: Token[] = []
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string
    if (char === '*') tokens.push({ kind: 'star' })
    else if (char === '?') tokens.push({ kind: 'one', accepts: () => true })
    else if (char === '[') {
      const set = setAt(pattern, chars, i)
      tokens.push({ kind: 'one', accepts: set.accepts })
      i = set.end
    } else tokens.push({ kind: 'one', accepts: (other) => other === char })
  }
  return tokens
}

/** The `[...]` that starts at `start`; a `]` right after the bracket (or its `!`) is a member. */
function setAt(
  pattern: string,
  chars: string[],
  start: number,
): { end: number; accepts(char: string): boolean } {
  const negated = chars[start + 1] === '!'
  const first = start + (negated ? 2 : 1)
  const end = chars.indexOf(']', first + 1)
  if (end < 0) throw invalid(pattern, 'its [ has no ]')
  const ranges: { from: string; to: string }[] = []
  for (let i = first; i < end; i++) {
    const from = chars[i] as string
    const isRange = chars[i + 1] === '-' && i + 2 < end
    const to = isRange ? (chars[i + 2] as string) : from
    if (from > to) throw invalid(pattern, `the range ${from}-${to} runs backwards`)
    ranges.push({ from, to })
    if (isRange) i += 2
  }
  return { end, accepts: (char) => ranges.some(({ from, to }) => from <= char && char <= to) !== negated }
}

// Greedy with one way back: to the last star. Enough, because a later star can take over whatever an earlier one could.
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let t = 0
  let n = 0
  let star = -1
  let starName = 0
  while (n < name.length) {
    const token = tokens[t]
    if (token?.kind === 'star') {
      star = t++
      starName = n
    } else if (token?.accepts(name[n] as string) === true) {
      t++
      n++
    } else if (star >= 0) {
      t = star + 1
      n = ++starName
    } else return false
  }
  while (tokens[t]?.kind === 'star') t++
  return t === tokens.length
}

function invalid(pattern: string, why: string): SyncError {
  return new SyncError('PATTERN_INVALID', `${JSON.stringify(pattern)} is not a shell pattern: ${why}`, {
    detail: { pattern },
  })
}
