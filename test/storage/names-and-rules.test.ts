import { describe, expect, it } from 'vitest'
import {
  buildDir,
  checkedName,
  convenienceLink,
  readKojiLink,
  shownName,
  volumeDir,
} from '../../src/model/paths.ts'
import { placementChoice } from '../../src/storage/rules.ts'

const place = { volume: 'DEFAULT', name: 'bash', version: '5.2', release: '1.fc43' }

describe('paths', () => {
  it("are those of Koji's PathInfo", () => {
    expect(volumeDir('/mnt/koji', 'DEFAULT')).toBe('/mnt/koji')
    expect(buildDir('/mnt/koji', place)).toBe('/mnt/koji/packages/bash/5.2/1.fc43')
    expect(buildDir('/mnt/koji', { ...place, volume: 'attic' })).toBe(
      '/mnt/koji/vol/attic/packages/bash/5.2/1.fc43',
    )
    expect(convenienceLink({ ...place, volume: 'attic' })).toBe('../../../vol/attic/packages/bash/5.2/1.fc43')
  })

  it.each([
    ['DEFAULT', '../../../vol/attic/packages/bash/5.2/1.fc43', 'attic', '1.fc43'],
    ['DEFAULT', '2.fc43', 'DEFAULT', '2.fc43'],
    ['attic', '../../../../../packages/bash/5.2/2.fc43', 'DEFAULT', '2.fc43'],
    ['attic', '../../../toplink/packages/bash/5.2/2.fc43', 'DEFAULT', '2.fc43'],
  ])('a link of Koji on %s, %s, is understood', (volume, text, toVolume, release) => {
    expect(readKojiLink({ ...place, volume }, text)).toEqual({ ...place, volume: toVolume, release })
  })

  it.each([
    '/etc/passwd',
    '..',
    '',
    '../../../vol/../packages/bash/5.2/1.fc43',
    '../../../vol/attic/packages/zsh/5.2/1.fc43',
    '../../../vol/attic/packages/bash/5.2/..',
    '../../../vol/attic/packages/bash/5.2/1.fc43/',
    '../../../vol/DEFAULT/packages/bash/5.2/1.fc43',
  ])('no other link is: %s', (text) => {
    expect(readKojiLink(place, text)).toBeNull()
  })

  it('an unsafe name is shown without anything that a terminal would obey', () => {
    expect(shownName('a\u001b[2J\u009b\u202e\ud800\n')).toBe('"a\\u001b[2J\\u009b\\u202e\\ud800\\n"')
    expect(shownName('x'.repeat(5000)).length).toBeLessThan(310)
    expect(() => checkedName('release', '\u009b')).toThrow('release "\\u009b" cannot be a file name')
    expect(() => checkedName('release', 7 as never)).toThrow('it is no text')
  })
})

describe('placement rules', () => {
  const choose = placementChoice([
    { tags: ['*-images'], packages: null, btypes: ['image', 'maven'], mode: 'copy' },
    { tags: null, packages: ['kernel*', 'glib[bc]'], btypes: null, mode: 'farm' },
    { tags: [], packages: null, btypes: null, mode: 'in-place' },
    { tags: ['f4[0-9]', 'epel*'], packages: null, btypes: null, mode: 'volume' },
  ])
  it.each([
    [['f43', 'f43-images'], 'kernel', ['rpm', 'image'], 'copy'],
    [['f43-images'], 'kernel-rt', ['rpm'], 'farm'],
    [[], 'glibc', ['rpm'], 'farm'],
    [['x', 'epel10'], 'bash', ['rpm'], 'volume'],
    [['F43'], 'bash', ['rpm'], null],
    [[], 'bash', [], null],
  ])('tags %j, package %s, types %j: %s', (tags, name, btypes, mode) => {
    expect(choose({ tags, package: name, btypes })).toBe(mode)
  })
})
