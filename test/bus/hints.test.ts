import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decoder, type KojiMessage } from '../../src/bus/decode.ts'
import { hintsOf, type KnownIds, mergeMarks } from '../../src/bus/hints.ts'
import { formatKey, parseKey } from '../../src/model/key.ts'
import type { Mark } from '../../src/model/outcome.ts'
import { get, PREFIX } from './samples.ts'

const nothingKnown: KnownIds = { package: () => null, tag: () => null }
const allKnown = { package: () => 34, tag: () => 12 }
const decoder = new Decoder({ topicPrefix: PREFIX, instance: 'primary', baseUrl: null })

function decoded(file: string, members: object = {}): KojiMessage {
  const { topic, body } = get(file)
  const result = decoder.decode({ topic, body: { ...body, ...members } })
  if (result.kind !== 'message') throw new Error(JSON.stringify(result))
  return result.message
}

/** `KEY priority subject=claim ...` of each mark. */
function told(message: KojiMessage, known = nothingKnown): string[] {
  const hints = hintsOf(message, known)
  if (hints.kind !== 'marks') return [`${hints.kind} ${hints.reason}`]
  return hints.marks.map(({ key, priority, expect: claims = [] }) =>
    [formatKey(key), priority, ...claims.map(({ subject, claim }) => `${subject}=${claim}`)].join(' '),
  )
}

describe('keys and claims of a message', () => {
  it.each([
    ['fedmsg.build.state.change.TestKojiBuildStateChangeComplete', 'build/612324 live state=1'],
    ['fedmsg.build.state.change.TestKojiBuildStateChangeCancel', 'build/614503 live state=4'],
    ['amqp.build.state.change.build_state_change_livecd', 'build/2339329 live state=2'],
    ['fedmsg.tag.TestKojiBuildTag', 'lookup/tagged/216/stage live'],
    ['amqp.tag.tag_message', 'lookup/tagged/6446/http-parser live build:1457909=tagged'],
    ['amqp.untag.untag_message', 'lookup/tagged/10321/python-twisted live build:1478431=untagged'],
    ['fedmsg.package.list.change', 'lookup/package/f17/almanah live'],
    [
      'amqp.package.list.change.package_list_change_message1',
      'lookup/package/f31/rust-ripgrep live listing=unblocked',
    ],
    [
      'amqp.package.list.change.package_list_change_message2',
      'lookup/package/f31-build-side-20267/rust-dua-cli live listing=listed',
    ],
    [
      'fedmsg.rpm.sign.LegacyTestKojiRPMSign',
      'build/607658 live sig:gstreamer1-plugins-base-devel-1.4.5-1.fc21.i686:ab845621=present',
    ],
    [
      'amqp.rpm.sign.rpm_sign_message.json',
      'build/1478177 live sig:wine-opencl-debuginfo-5.4-1.fc32.aarch64:12c944d0=present',
    ],
    ['amqp.repo.done', 'ignored not-acted-on'],
    ['amqp.repo.init', 'ignored not-acted-on'],
    ['fedmsg.task.state.change.TestKojiTaskStateChangeFail.', 'ignored not-acted-on'],
  ])('%s', (file, line) => {
    const { body } = get(file)
    expect(told(decoded(file, 'instance' in body ? { instance: 'primary' } : {}))).toEqual([line])
  })

  it('uses ids where they are known', () => {
    expect(told(decoded('amqp.tag.tag_message'), allKnown)).toEqual([
      'tagged/6446/34 live build:1457909=tagged',
    ])
    expect(told(decoded('fedmsg.package.list.change'), allKnown)).toEqual(['package/12/34 live'])
    const half = { ...nothingKnown, package: () => 34 }
    expect(told(decoded('fedmsg.package.list.change'), half)).toEqual(['lookup/package/f17/34 live'])
    expect(told(decoded('fedmsg.tag.TestKojiBuildTag', { tag_id: null }), half)).toEqual([
      'lookup/tagged/f18-updates-testing-pending/34 live',
    ])
  })

  it('looks a build without an id up by its NVR', () => {
    expect(told(decoded('TestKojiBuildStateChangeComplete', { build_id: null }))).toEqual([
      'lookup/build/ansible-1.8.3-1.el7 live state=1',
    ])
  })

  it('claims nothing when another attribute than the state changed', () => {
    const volume = { attribute: 'volume_id', old: 0, new: 3 }
    expect(told(decoded('TestKojiBuildStateChangeComplete', volume))).toEqual(['build/612324 live'])
  })

  it('claims nothing of an unsigned header', () => {
    expect(told(decoded('amqp.rpm.sign.rpm_sign_message.json', { sigkey: '' }))).toEqual([
      'build/1478177 live',
    ])
  })

  it('looks for promotions, which name no build', () => {
    expect(told({ topic: 'build.promote' })).toEqual(['lookup/promotions live'])
  })

  it.each([
    ['add', false, 'listed'],
    ['add', null, 'listed'],
    ['add', true, 'blocked'],
    ['update', false, 'listed'],
    ['update', true, 'blocked'],
    ['update', null, null],
    ['block', true, 'blocked'],
    ['block', null, 'blocked'],
    ['unblock', null, 'unblocked'],
    ['remove', null, 'absent'],
    ['set-arches', false, null],
    [null, null, null],
  ])('the package list action %s (block %s) claims %s', (action, block, claim) => {
    const [line] = told(
      decoded('amqp.package.list.change.package_list_change_message2', { action, block }),
      allKnown,
    )
    expect(line).toBe(claim === null ? 'package/12/34 live' : `package/12/34 live listing=${claim}`)
  })

  it('refuses names of digits only that a lookup would read as ids, unless the id is known', () => {
    const file = 'fedmsg.package.list.change'
    expect(told(decoded(file, { tag: '43' }))).toEqual(['refused ambiguous:tag'])
    expect(told(decoded(file, { package: '2048' }))).toEqual(['refused ambiguous:package'])
    expect(told(decoded(file, { tag: '43', package: '2048' }), allKnown)).toEqual(['package/12/34 live'])
  })

  it('makes keys that can be read again, of whatever names a message may have', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (tag, name) => {
        const { topic, body } = get('fedmsg.package.list.change')
        const result = decoder.decode({ topic, body: { ...body, tag, package: name } })
        if (result.kind !== 'message') return
        const hints = hintsOf(result.message, nothingKnown)
        if (hints.kind !== 'marks') return
        for (const { key } of hints.marks) {
          expect(parseKey(formatKey(key))).toEqual(key)
          expect(formatKey(key).length).toBeLessThan(2704)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('marks of a batch', () => {
  const claim = (subject: string, value: string): Mark => ({
    key: { kind: 'build', buildId: 1 },
    priority: 'live',
    expect: [{ subject, claim: value }],
  })

  it('are one per key, with the newest claim of each subject', () => {
    const other: Mark = { key: { kind: 'build', buildId: 2 }, priority: 'sweep' }
    expect(
      mergeMarks([claim('state', '0'), other, claim('sig:a:b', 'present'), claim('state', '1')]),
    ).toEqual([
      {
        key: { kind: 'build', buildId: 1 },
        priority: 'live',
        expect: [
          { subject: 'state', claim: '1' },
          { subject: 'sig:a:b', claim: 'present' },
        ],
      },
      other,
    ])
  })

  it('keep the better priority', () => {
    const key = { kind: 'tag', tagId: 1 } as const
    const merged = mergeMarks([
      { key, priority: 'sweep' },
      { key, priority: 'live' },
      { key, priority: 'sweep' },
    ])
    expect(merged).toEqual([{ key, priority: 'live' }])
  })
})
