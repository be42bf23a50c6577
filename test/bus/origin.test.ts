import { describe, expect, it } from 'vitest'
import { type Decoded, Decoder } from '../../src/bus/decode.ts'
import { get, PREFIX } from './samples.ts'

const options = { topicPrefix: PREFIX, instance: 'primary', baseUrl: 'https://koji.fedoraproject.org' }
const decoder = new Decoder(options)

function decode(name: string, body: unknown): Decoded {
  return decoder.decode({ topic: PREFIX + name, body })
}

describe('whose message it is', () => {
  const { body } = get('TestKojiBuildTag')

  it.each(['tagged', 'ta', 'tag.', 'tag.x', '', 'TAG', 'build.state.changed', '.tag', 'tag '])(
    'ignores the neighbour %j',
    (name) => {
      expect(decoder.decode({ topic: PREFIX + name, body })).toEqual({
        kind: 'ignored',
        topic: 'unknown',
        reason: 'topic',
      })
    },
  )

  it('refuses the same topic of another environment', () => {
    for (const environment of ['stg', 'dev']) {
      const topic = `org.fedoraproject.${environment}.buildsys.tag`
      expect(decoder.decode({ topic, body })).toEqual({
        kind: 'refused',
        topic: 'unknown',
        reason: 'environment',
      })
    }
  })

  it.each([
    'org.centos.prod.buildsys.tag',
    'org.fedoraproject.prod.bodhi.tag',
    'x',
    'org.fedoraproject.stg.bodhi.tag',
  ])('ignores %s', (topic) => {
    expect(decoder.decode({ topic, body })).toMatchObject({ kind: 'ignored', reason: 'topic' })
  })

  it('takes a prefix with or without its last dot', () => {
    const bare = new Decoder({ ...options, topicPrefix: PREFIX.slice(0, -1) })
    expect(bare.decode({ topic: `${PREFIX}tag`, body }).kind).toBe('message')
    expect(bare.decode({ topic: `${PREFIX}tagged`, body })).toMatchObject({ reason: 'topic' })
  })

  it('refuses another instance and admits a message that names none', () => {
    expect(decode('tag', { ...body, instance: 's390' })).toMatchObject({
      kind: 'refused',
      reason: 'instance',
    })
    expect(decode('tag', { ...body, instance: '' })).toMatchObject({ kind: 'refused', reason: 'instance' })
    expect(decode('tag', body).kind).toBe('message')
  })

  it.each([
    'https://riscv-koji.fedoraproject.org',
    'http://koji.fedoraproject.org',
    'https://koji.fedoraproject.org:8443',
    'https://koji.fedoraproject.org/koji',
    'https://koji.fedoraproject.org.evil.example',
    'https://koji.fedoraproject.org@evil.example',
  ])('refuses the base_url %s', (url) =>
    expect(decode('tag', { ...body, base_url: url })).toMatchObject({ kind: 'refused', reason: 'base_url' }),
  )

  it.each([
    'https://koji.fedoraproject.org',
    'https://KOJI.fedoraproject.org/',
    'https://koji.fedoraproject.org:443//',
    null,
  ])('takes %s for ours', (url) => {
    expect(decode('tag', { ...body, base_url: url }).kind).toBe('message')
  })

  it.each(['', 'koji', 'ftp://koji.fedoraproject.org', 'https://'])(
    'names a base_url that is none: %j',
    (url) => {
      expect(decode('tag', { ...body, base_url: url })).toMatchObject({
        kind: 'refused',
        reason: 'field:base_url',
      })
    },
  )

  it('does not compare addresses when none is configured', () => {
    const open = new Decoder({ ...options, baseUrl: null })
    expect(
      open.decode({ topic: `${PREFIX}tag`, body: { ...body, base_url: 'https://else.example' } }).kind,
    ).toBe('message')
  })
})
