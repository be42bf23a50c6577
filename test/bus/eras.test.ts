import { describe, expect, it } from 'vitest'
import { type Decoded, Decoder } from '../../src/bus/decode.ts'
import { TOPIC_NAMES } from '../../src/model/topics.ts'
import { get, PREFIX, SAMPLES } from './samples.ts'

const options = { topicPrefix: PREFIX, instance: 'primary', baseUrl: 'https://koji.fedoraproject.org' }
const decoder = new Decoder(options)

function decode(topic: string, body: unknown): Decoded {
  return decoder.decode({ topic: topic.includes('.prod.') ? topic : PREFIX + topic, body })
}

function messageOf(decoded: Decoded): object {
  if (decoded.kind !== 'message') throw new Error(JSON.stringify(decoded))
  return decoded.message
}

describe('samples of every era', () => {
  it.each(SAMPLES)('decodes $file', ({ name, topic, body }) => {
    const instance = typeof body.instance === 'string' ? body.instance : 'primary'
    const baseUrl = typeof body.base_url === 'string' ? body.base_url : null
    const theirs = new Decoder({ instance, baseUrl, topicPrefix: topic.slice(0, -name.length) })
    expect(messageOf(theirs.decode({ topic, body }))).toMatchObject({ topic: name })
  })

  it('covers every topic but build.promote, of which none is known', () => {
    const seen = new Set(SAMPLES.map(({ name }) => name))
    expect(TOPIC_NAMES.filter((name) => !seen.has(name))).toEqual(['build.promote'])
    expect(messageOf(decode('build.promote', { instance: 'primary' }))).toEqual({ topic: 'build.promote' })
  })

  it.each([
    [
      'fedmsg.build.state.change.TestKojiBuildStateChangeComplete',
      { buildId: 612324, nvr: 'ansible-1.8.3-1.el7', state: 1 },
    ],
    [
      'amqp.build.state.change.build_state_change_livecd',
      { buildId: 2339329, nvr: 'Fedora-i3-Live-Rawhide-20240101.n.0', state: 2 },
    ],
    [
      'fedmsg.tag.TestKojiBuildTag',
      { tagId: 216, tag: 'f18-updates-testing-pending', package: 'stage', buildId: null },
    ],
    ['amqp.untag.untag_message', { tagId: 10321, package: 'python-twisted', buildId: 1478431 }],
    ['fedmsg.package.list.change', { tag: 'f17', package: 'almanah', action: null, block: null }],
    [
      'amqp.package.list.change.package_list_change_message2',
      { tag: 'f31-build-side-20267', action: 'add', block: false },
    ],
    [
      'fedmsg.rpm.sign.LegacyTestKojiRPMSign',
      { buildId: 607658, nvra: 'gstreamer1-plugins-base-devel-1.4.5-1.fc21.i686', sigkey: 'ab845621' },
    ],
    [
      'fedmsg.rpm.sign.TestKojiRPMSign',
      { buildId: 607658, nvra: 'gstreamer1-plugins-base-devel-1.4.5-1.fc21.i686', sigkey: 'ab845621' },
    ],
    [
      'amqp.rpm.sign.rpm_sign_message.json',
      { buildId: 1478177, nvra: 'wine-opencl-debuginfo-5.4-1.fc32.aarch64' },
    ],
    ['amqp.rpm.sign.rpm_sign_message_no_build', { buildId: 1478177, nvr: null }],
  ])('reads the members of %s', (file, members) => {
    expect(messageOf(decode(get(file).topic, get(file).body))).toMatchObject(members)
  })

  it('takes another attribute than state as a change without a claim', () => {
    const { body } = get('TestKojiBuildStateChangeComplete')
    expect(
      messageOf(decode('build.state.change', { ...body, attribute: 'volume_id', old: 0, new: 13 })),
    ).toMatchObject({ state: null })
    expect(
      messageOf(decode('build.state.change', { ...body, attribute: 'owner_name', old: 'a', new: 'b' })),
    ).toMatchObject({ state: null })
  })

  it('takes a build without an id by its NVR', () => {
    const { body } = get('TestKojiBuildStateChangeComplete')
    expect(messageOf(decode('build.state.change', { ...body, build_id: null }))).toMatchObject({
      buildId: null,
      nvr: 'ansible-1.8.3-1.el7',
    })
  })

  it('ignores the signature messages of 2014, which say nothing', () => {
    expect(decode('rpm.sign', { instance: 'primary' })).toEqual({
      kind: 'ignored',
      topic: 'rpm.sign',
      reason: 'empty',
    })
    expect(decode('rpm.sign', {})).toMatchObject({ kind: 'ignored' })
  })
})
