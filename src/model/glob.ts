/**
 * Shell patterns as Koji's own settings know them (Python's `fnmatch`): `*`, `?`, `[a-z]`, `[!a-z]`. No escapes, an
 * unclosed `[` is itself, `*` also matches a slash, upper and lower case differ. Characters are code points.
 *
 * Matching takes at most pattern × text steps: there is one point to come back to, the latest star.
 */
export type Glob = (text: string) => boolean

type Token =
  | { readonly kind: 'star' }
  | { readonly kind: 'any' }
  | { readonly kind: 'one'; readonly point: number }
  | { readonly kind: 'set'; readonly negated: boolean; readonly ranges: readonly Range[] }

type Range = readonly [low: number, high: number]

/** A pattern ready for matching whole texts. Every text is a valid pattern. */
export function compileGlob(pattern: string): Glob {
  const tokens = tokensOf(points(pattern))
  return (text) => matches(tokens, points(text))
}

/** True when any pattern matches any of the texts. */
export function anyMatches(globs: readonly Glob[], texts: readonly string[]): boolean {
  return globs.some((glob) => texts.some((text) => glob(text)))
}

function points(text: string): number[] {
  return Array.from(text, (c) => c.codePointAt(0) ?? 0)
}

const [STAR, ANY, OPEN, CLOSE, NOT, DASH] = points('*?[]!-') as [
  number,
  number,
  number,
  number,
  number,
  number,
]

function tokensOf(pattern: readonly number[]): Token[] {
  const tokens: Token[] = []
  for (let i = 0; i < pattern.length; i++) {
    const point = pattern[i] as number
    if (point === STAR) {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' })
    } else if (point === ANY) {
      tokens.push({ kind: 'any' })
    } else if (point === OPEN) {
      const negated = pattern[i + 1] === NOT
      const first = negated ? i + 2 : i + 1
      // A closing bracket that comes first is a member of the set.
      const end = pattern.indexOf(CLOSE, first + 1)
      if (end < 0) {
        tokens.push({ kind: 'one', point })
      } else {
        tokens.push({ kind: 'set', negated, ranges: rangesOf(pattern.slice(first, end)) })
        i = end
      }
    } else {
      tokens.push({ kind: 'one', point })
    }
  }
  return tokens
}

/** `a-c` is a range; a dash that is first, last or behind a range is itself; `z-a` holds nothing. */
function rangesOf(members: readonly number[]): Range[] {
  const ranges: Range[] = []
  for (let i = 0; i < members.length; i++) {
    const low = members[i] as number
    const high = members[i + 2]
    if (members[i + 1] === DASH && high !== undefined) {
      ranges.push([low, high])
      i += 2
    } else {
      ranges.push([low, low])
    }
  }
  return ranges
}

function matches(tokens: readonly Token[], text: readonly number[]): boolean {
  let t = 0
  let i = 0
  let starToken = -1
  let starText = 0
  while (i < text.length) {
    const token = tokens[t]
    if (token?.kind === 'star') {
      starToken = t++
      starText = i
    } else if (token !== undefined && accepts(token, text[i] as number)) {
      t++
      i++
    } else if (starToken >= 0) {
      t = starToken + 1
      i = ++starText
    } else {
      return false
    }
  }
  while (tokens[t]?.kind === 'star') t++
  return t === tokens.length
}

function accepts(token: Token, point: number): boolean {
  if (token.kind === 'one') return token.point === point
  if (token.kind === 'any') return true
  if (token.kind === 'star') return false
  return token.ranges.some(([low, high]) => low <= point && point <= high) !== token.negated
}
