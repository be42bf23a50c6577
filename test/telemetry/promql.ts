/*
 * PromQL as far as config/prometheus/rules.yml uses it, for machines without Prometheus: selectors with = and =~, ranges, time(), rate,
 * increase, histogram_quantile, sum|max by, arithmetic, filtering comparisons, `and`. test/telemetry/monitoring.test.ts holds it against
 * promtool where that is installed.
 */

export type Labels = Readonly<Record<string, string>>
export interface Sample {
  readonly labels: Labels
  readonly value: number
}
/** What was scraped at a time (seconds); series that are missing there have ended. */
export interface Scrape {
  readonly at: number
  readonly samples: readonly Sample[]
}
export type Value = number | readonly Sample[]

/** An instant vector holds what was scraped within this time. */
const LOOKBACK = 300

interface Context {
  readonly now: number
  readonly scrapes: readonly Scrape[]
}
type Node = (context: Context) => Value

/** The value of an expression at a time. Throws for what it does not know. */
export function evaluate(text: string, now: number, scrapes: readonly Scrape[]): Value {
  return new Parser(text).whole()({ now, scrapes: scrapes.filter(({ at }) => at <= now) })
}

/** The text that Prometheus reads. */
export function parsePage(page: string): Sample[] {
  return page.split('\n').flatMap((line) => {
    const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match === null || line.startsWith('#')) return []
    const labels = Object.fromEntries(
      [...(match[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]),
    ) as Labels
    return [{ labels: { __name__: match[1] as string, ...labels }, value: Number(match[3]) }]
  })
}

class Parser {
  readonly #tokens: string[]
  /** the function whose range is read */
  #ranged: 'rate' | 'increase' | null = null

  constructor(text: string) {
    this.#tokens = text.match(/"(?:[^"\\]|\\.)*"|=~|[<>=!]=|[\w.:]+|[-+*/<>(){}[\],=]/g) ?? []
    if (this.#tokens.join('') !== text.replace(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, ''))
      throw new Error(`cannot read ${text}`)
  }

  whole(): Node {
    const node = this.#level(0)
    if (this.#tokens.length > 0) throw new Error(`unexpected ${this.#tokens.join(' ')}`)
    return node
  }

  #level(depth: number): Node {
    const operators = LEVELS[depth]
    if (operators === undefined) return this.#primary()
    let left = this.#level(depth + 1)
    for (;;) {
      const [token = ''] = this.#tokens
      if (!operators.includes(token)) return left
      this.#tokens.shift()
      const [before, right] = [left, this.#level(depth + 1)]
      left = (context) => combine(token, before(context), right(context))
    }
  }

  #primary(): Node {
    const token = this.#tokens.shift() ?? 'the end'
    if (token === '(') return this.#closing(this.#level(0))
    if (/^[0-9.]+$/.test(token)) return () => Number(token)
    if (token === 'sum' || token === 'max') return this.#aggregate(token)
    if (this.#tokens[0] === '(') return this.#call(token)
    if (token === '{') return this.#selector(null)
    if (/^[a-z_]\w*$/i.test(token)) {
      if (this.#tokens[0] !== '{')
        return this.#selected([{ label: '__name__', is: (name) => name === token }])
      this.#tokens.shift()
      return this.#selector(token)
    }
    throw new Error(`unexpected ${token}`)
  }

  #aggregate(kind: 'sum' | 'max'): Node {
    const by: string[] = []
    if (this.#tokens[0] === 'by') {
      this.#tokens.splice(0, 2)
      for (
        let token = this.#tokens.shift();
        token !== ')' && token !== undefined;
        token = this.#tokens.shift()
      )
        if (token !== ',') by.push(token)
    }
    this.#expect('(')
    const inner = this.#closing(this.#level(0))
    return (context) => {
      const groups = new Map<string, Sample>()
      for (const { labels, value } of vector(inner(context))) {
        const kept = Object.fromEntries(
          by.flatMap((name) => (name in labels ? [[name, labels[name] as string]] : [])),
        )
        const known = groups.get(identity(kept))
        const sum =
          known === undefined ? value : kind === 'sum' ? known.value + value : Math.max(known.value, value)
        groups.set(identity(kept), { labels: kept, value: sum })
      }
      return [...groups.values()]
    }
  }

  #call(name: string): Node {
    this.#expect('(')
    if (name === 'time') return this.#closing(({ now }) => now)
    if (name === 'histogram_quantile') {
      const quantile = this.#level(0)
      this.#expect(',')
      const buckets = this.#closing(this.#level(0))
      return (context) => histogramQuantile(quantile(context) as number, vector(buckets(context)))
    }
    if (name !== 'rate' && name !== 'increase') throw new Error(`no function ${name}`)
    this.#ranged = name
    const node = this.#primary()
    this.#ranged = null
    return this.#closing(node)
  }

  #selector(name: string | null): Node {
    const matchers = name === null ? [] : [{ label: '__name__', is: (text: string) => text === name }]
    while (this.#tokens[0] !== '}') {
      const [label = '', operator, quoted = '""'] = this.#tokens.splice(0, 3)
      const wanted = JSON.parse(quoted) as string
      const pattern = new RegExp(`^(?:${wanted})$`)
      if (operator !== '=' && operator !== '=~') throw new Error(`no matcher ${operator}`)
      matchers.push({ label, is: (text) => (operator === '=' ? text === wanted : pattern.test(text)) })
      if (this.#tokens[0] === ',') this.#tokens.shift()
    }
    this.#tokens.shift()
    return this.#selected(matchers)
  }

  #selected(matchers: readonly { label: string; is: (text: string) => boolean }[]): Node {
    const fits = ({ labels }: Sample): boolean => matchers.every(({ label, is }) => is(labels[label] ?? ''))
    if (this.#tokens[0] !== '[') {
      return ({ now, scrapes }) => {
        const last = scrapes.at(-1)
        return last === undefined || now - last.at > LOOKBACK ? [] : last.samples.filter(fits)
      }
    }
    const [, length = ''] = this.#tokens.splice(0, 3)
    const seconds = secondsOf(length)
    const function_ = this.#ranged
    if (function_ === null) throw new Error('a range without rate or increase')
    return ({ now, scrapes }) => {
      const series = new Map<string, { labels: Labels; points: [number, number][] }>()
      for (const { at, samples } of scrapes.filter((one) => one.at > now - seconds)) {
        for (const sample of samples.filter(fits)) {
          const { __name__: _name, ...labels } = sample.labels
          const key = identity(sample.labels)
          const known = series.get(key) ?? { labels, points: [] }
          known.points.push([at, sample.value])
          series.set(key, known)
        }
      }
      return [...series.values()].flatMap(({ labels, points }) => {
        const value = extrapolated(points, now - seconds, now)
        return value === null ? [] : [{ labels, value: function_ === 'rate' ? value / seconds : value }]
      })
    }
  }

  #closing(node: Node): Node {
    this.#expect(')')
    return node
  }

  #expect(token: string): void {
    const found = this.#tokens.shift()
    if (found !== token) throw new Error(`${token} expected, not ${found}`)
  }
}

/** Weakest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['and'],
  ['>', '<', '>=', '<=', '==', '!='],
  ['+', '-'],
  ['*', '/'],
]

function combine(operator: string, left: Value, right: Value): Value {
  if (operator === 'and') {
    const others = new Set(vector(right).map(({ labels }) => identity(unnamed(labels))))
    return vector(left).filter(({ labels }) => others.has(identity(unnamed(labels))))
  }
  const compares = LEVELS[1]?.includes(operator) === true
  if (typeof left === 'number' && typeof right === 'number') {
    if (compares) throw new Error('numbers are compared with bool only')
    return applied(operator, left, right)
  }
  const one = (sample: Sample, other: number, flipped: boolean): Sample[] => {
    const value = flipped ? applied(operator, other, sample.value) : applied(operator, sample.value, other)
    if (compares) return value === 1 ? [sample] : []
    return [{ labels: unnamed(sample.labels), value }]
  }
  if (typeof right === 'number') return vector(left).flatMap((sample) => one(sample, right, false))
  if (typeof left === 'number') return right.flatMap((sample) => one(sample, left, true))
  const others = new Map(right.map(({ labels, value }) => [identity(unnamed(labels)), value]))
  return left.flatMap((sample) => {
    const other = others.get(identity(unnamed(sample.labels)))
    return other === undefined ? [] : one(sample, other, false)
  })
}

function applied(operator: string, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return a / b
    case '>':
      return Number(a > b)
    case '<':
      return Number(a < b)
    case '>=':
      return Number(a >= b)
    case '<=':
      return Number(a <= b)
    case '==':
      return Number(a === b)
    default:
      return Number(a !== b)
  }
}

/** As Prometheus' extrapolatedRate: resets count, and the ends of the range are reached for, but not below zero. Null: fewer than two. */
function extrapolated(
  points: readonly (readonly [number, number])[],
  from: number,
  to: number,
): number | null {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined || points.length < 2) return null
  let grown = last[1] - first[1]
  for (const [index, [, value]] of points.entries()) {
    const before = points[index - 1]?.[1] ?? value
    if (value < before) grown += before
  }
  const sampled = last[0] - first[0]
  const between = sampled / (points.length - 1)
  let [start, end] = [first[0] - from, to - last[0]]
  if (start >= between * 1.1) start = between / 2
  if (grown > 0 && first[1] >= 0) start = Math.min(start, (sampled * first[1]) / grown)
  if (end >= between * 1.1) end = between / 2
  return grown * ((sampled + start + end) / sampled)
}

function histogramQuantile(quantile: number, buckets: readonly Sample[]): Sample[] {
  const groups = new Map<string, { labels: Labels; buckets: [number, number][] }>()
  for (const { labels, value } of buckets) {
    const { le = 'NaN', __name__: _name, ...rest } = labels
    const known = groups.get(identity(rest)) ?? { labels: rest, buckets: [] }
    known.buckets.push([le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value])
    groups.set(identity(rest), known)
  }
  return [...groups.values()].flatMap(({ labels, buckets: unsorted }) => {
    const sorted = unsorted.toSorted(([a], [b]) => a - b)
    const total = sorted.at(-1)?.[1] ?? 0
    const rank = quantile * total
    const index = sorted.findIndex(([, count]) => count >= rank)
    const [[upper, count], [lower, below]] = [sorted[index] ?? [0, 0], sorted[index - 1] ?? [0, 0]]
    if (!(total > 0)) return [{ labels, value: Number.NaN }]
    if (upper === Number.POSITIVE_INFINITY) return [{ labels, value: lower }]
    return [{ labels, value: lower + (upper - lower) * ((rank - below) / (count - below)) }]
  })
}

function vector(value: Value): readonly Sample[] {
  if (typeof value === 'number') throw new Error('a number where series are expected')
  return value
}

function unnamed({ __name__: _name, ...labels }: Labels): Labels {
  return labels
}

function identity(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort())
}

function secondsOf(length: string): number {
  const match = /^(\d+)([smhd])$/.exec(length)
  if (match === null) throw new Error(`no length of time: ${length}`)
  return Number(match[1]) * { s: 1, m: 60, h: 3600, d: 86_400 }[match[2] as 's' | 'm' | 'h' | 'd']
}
