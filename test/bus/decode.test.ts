import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Decoded, Decoder } from '../../src/bus/decode.ts'
import { TOPIC_NAMES } from '../../src/model/topics.ts'
import { PREFIX } from './samples.ts'

const options = { topicPrefix: PREFIX, instance: 'primary', baseUrl: 'https://koji.fedoraproject.org' }
const decoder = new Decoder(options)

function decode(topic: string, body: unknown): Decoded {
  return decoder.decode({ topic: topic.includes('.prod.') ? topic : PREFIX + topic, body })
}

function messageOf(decoded: Decoded): object {
  if (decoded.kind !== 'message') throw new Error(JSON.stringify(decoded))
  return decoded.message
}

/** Bodies with every member that an era knew, in the types that it sent. */
const FULL = {
  'build.state.change': {
    attribute: 'state',
    old: 0,
    new: 1,
    build_id: 5,
    name: 'n',
    version: '1',
    release: '2',
    epoch: 1,
    task_id: 9,
    owner: 'o',
    request: [],
    task: {},
    url: 'u',
    files_base_url: 'u',
    creation_time: 'c',
    completion_time: 'c',
  },
  tag: { tag: 't', tag_id: 1, build_id: 5, name: 'n', version: '1', release: '2', user: 'u', owner: 'o' },
  untag: { tag: 't', tag_id: 1, build_id: 5, name: 'n', version: '1', release: '2', user: 'u', owner: 'o' },
  'package.list.change': {
    tag: 't',
    package: 'p',
    action: 'add',
    owner: 'o',
    block: false,
    extra_arches: '',
    force: true,
    update: false,
  },
  'rpm.sign': {
    sigkey: 'ab',
    sighash: 'cd',
    rpm: { name: 'n', version: '1', release: '2', arch: 'noarch', id: 3, build_id: 5 },
    build: { id: 5, name: 'n', version: '1', release: '2', state: 1, extra: {} },
  },
  'repo.init': { tag: 't', tag_id: 1, repo_id: 2 },
  'repo.done': { tag: 't', tag_id: 1, repo_id: 2 },
  'task.state.change': {
    attribute: 'state',
    old: 'OPEN',
    new: 'CLOSED',
    id: 5,
    method: 'build',
    owner: 'o',
    srpm: 's',
    info: {},
  },
  'build.promote': { instance: 'primary', base_url: 'https://koji.fedoraproject.org/' },
} as const

type Path = readonly string[]

function membersOf(value: object, path: Path = []): Path[] {
  return Object.entries(value).flatMap(([name, member]) => {
    const here = [...path, name]
    const inner = member !== null && typeof member === 'object' && !Array.isArray(member)
    return [here, ...(inner ? membersOf(member, here) : [])]
  })
}

function withMember(body: object, [name = '', ...rest]: Path, value: unknown): object {
  const inner = (body as Record<string, unknown>)[name]
  return { ...body, [name]: rest.length === 0 ? value : withMember(inner as object, rest, value) }
}

const FIELDS = Object.entries(FULL).flatMap(([topic, body]) =>
  membersOf({ instance: 'primary', base_url: 'https://koji.fedoraproject.org', ...body }).map((path) => ({
    topic,
    path,
    member: path.join('.'),
  })),
)

/** One value per JSON type; what fits is left out by the expectation, not by hand. */
const WRONG: readonly unknown[] = [
  true,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  'a/b',
  '',
  'nul\u0000',
  [],
  [[]],
  {},
  { id: 1 },
]
const KIND = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value

describe('every member of every topic', () => {
  it.each(FIELDS)('$topic refuses another JSON type for $member and names it', ({ topic, path, member }) => {
    const body = {
      instance: 'primary',
      base_url: 'https://koji.fedoraproject.org',
      ...FULL[topic as keyof typeof FULL],
    }
    expect(decode(topic, body).kind).toBe('message')
    let right: unknown = body
    for (const name of path) right = (right as Record<string, unknown>)[name]
    const others = [true, 'x', 7, [], {}].filter((value) => KIND(value) !== KIND(right))
    const outcomes = others.map((value) => decode(topic, withMember(body, path, value)))
    const refused = outcomes.filter(({ kind }) => kind === 'refused')
    // A member may be of two types over the eras (epoch, times), never of three.
    expect(refused.length).toBeGreaterThanOrEqual(others.length - 1)
    for (const outcome of refused)
      expect(outcome).toEqual({ kind: 'refused', topic, reason: `field:${member}` })
    for (const value of WRONG) {
      const outcome = decode(topic, withMember(body, path, value))
      if (outcome.kind !== 'message')
        expect(outcome).toMatchObject({
          reason: expect.stringMatching(/^((field|name):[\w.]+|instance|base_url)$/),
        })
    }
  })

  it.each(['name', 'version', 'release', 'attribute', 'new'])(
    'a build.state.change without %s is refused',
    (name) => {
      const { [name]: _, ...rest } = FULL['build.state.change'] as Record<string, unknown>
      expect(decode('build.state.change', rest)).toMatchObject({ kind: 'refused', reason: `field:${name}` })
    },
  )

  it('never throws, whatever the body', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TOPIC_NAMES), fc.jsonValue({ maxDepth: 4 }), (topic, body) => {
        expect(['message', 'ignored', 'refused']).toContain(decode(topic, body).kind)
      }),
      { numRuns: 500 },
    )
  })

  it('never throws for a known body with one member replaced', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FIELDS), fc.jsonValue({ maxDepth: 2 }), ({ topic, path }, value) => {
        const outcome = decode(
          topic,
          withMember(FULL[topic as keyof typeof FULL], path.length > 0 ? path : [], value),
        )
        expect(outcome.kind === 'message' || /^[\w:.-]+$/.test(outcome.reason)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it.each([0, -5, 5, '1', null, 1.5])('refuses the state %s', (state) => {
    const body = { ...FULL['build.state.change'], new: state === 0 ? 9 : state }
    expect(decode('build.state.change', body)).toMatchObject({ kind: 'refused', reason: 'field:new' })
  })

  it('is not fooled by members named as those of every object', () => {
    const body = JSON.parse('{"__proto__": {"build_id": 5, "name": "n"}, "constructor": 1}')
    expect(decode('tag', body)).toMatchObject({ kind: 'refused', reason: 'field:tag' })
  })

  it('refuses a signature whose build ids contradict one another, or that names no build', () => {
    const { rpm, build } = FULL['rpm.sign']
    expect(decode('rpm.sign', { sigkey: 'ab', rpm, build: { ...build, id: 6 } })).toMatchObject({
      reason: 'field:build_id',
    })
    expect(decode('rpm.sign', { sigkey: 'ab', rpm: { ...rpm, build_id: null } })).toMatchObject({
      reason: 'field:build_id',
    })
    expect(decode('rpm.sign', { sigkey: 'a:b', rpm })).toMatchObject({ reason: 'field:sigkey' })
    expect(
      messageOf(
        decode('rpm.sign', { sigkey: 'ab', rpm: { ...rpm, build_id: null }, build: { ...build, id: null } }),
      ),
    ).toMatchObject({ buildId: null, nvr: 'n-1-2' })
  })
})

describe('names', () => {
  const bad = [
    '',
    'a/b',
    '../x',
    'a\u0000',
    'a\nb',
    'a\u007f',
    'a\u0085',
    'a\u2028',
    '\ud800',
    'x'.repeat(256),
    'é'.repeat(128),
  ]
  it.each([
    ['tag', 'tag'],
    ['tag', 'name'],
    ['untag', 'version'],
    ['untag', 'release'],
    ['package.list.change', 'tag'],
    ['package.list.change', 'package'],
    ['build.state.change', 'name'],
    ['build.state.change', 'version'],
    ['build.state.change', 'release'],
  ] as const)('%s refuses an impossible %s', (topic, member) => {
    for (const name of bad) {
      expect(decode(topic, { ...FULL[topic], [member]: name })).toEqual({
        kind: 'refused',
        topic,
        reason: `name:${member}`,
      })
    }
  })

  it('refuses impossible names inside a signature', () => {
    const body = withMember(FULL['rpm.sign'], ['rpm', 'arch'], '../x')
    expect(decode('rpm.sign', body)).toMatchObject({ reason: 'name:rpm.arch' })
  })

  it.each(['x'.repeat(255), 'libstdc++', 'g++-4.8', '1.fc43,draft_12', 'a b', '^git~rc1'])(
    'admits %s',
    (name) => {
      expect(decode('tag', { ...FULL.tag, name, release: name }).kind).toBe('message')
    },
  )
})
