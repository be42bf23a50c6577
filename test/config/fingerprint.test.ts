import { afterAll, describe, expect, it } from 'vitest'
import { fingerprintOf } from '../../src/config/fingerprint.ts'
import { ConfigFolder, file } from './files.ts'

const folder = new ConfigFolder()
afterAll(() => folder.remove())

/** The names of the parts that differ. */
const differences = (a: string, b: string): string[] => {
  const [ours, theirs] = [fingerprintOf(folder.load(a)), fingerprintOf(folder.load(b))]
  return Object.keys({ ...ours, ...theirs })
    .filter((name) => ours[name] !== theirs[name])
    .sort()
}

describe('the fingerprint of a configuration', () => {
  it.each([
    [{ rest: '[scope]\ntags = ["f43"]' }, ['scope']],
    [{ staging: 'id_floor = 5' }, ['staging.id_floor']],
    [{ prod: 'volumes = { DEFAULT = "other" }' }, ['prod.volumes']],
    [
      { rest: '[conflicts]\nbuild = "prod-wins"\n[[tag_rewrite]]\ntags = ["f*"]\narches = []' },
      ['conflicts', 'tag_rewrite'],
    ],
  ])('differs by %j in %j', (extra, names) => {
    expect(differences(file(), file(extra))).toEqual(names)
  })

  it('does not look at what may differ from host to host', () => {
    const other = file({ prod: 'concurrency = 2\ntimeout_seconds = 3', rest: '[http]\nlisten = "off"' })
      .replace('/mnt/prod-koji', '/elsewhere')
      .replace('koji@db', 'koji:password@db')
    expect(differences(file(), other)).toEqual([])
  })

  it('does not care about the order of a table, but about that of rules', () => {
    const volumes = (text: string): string => file({ prod: `volumes = { ${text} }` })
    expect(differences(volumes('A = "a", B = "b"'), volumes('B = "b", A = "a"'))).toEqual([])
    const rules = (...tags: string[]): string =>
      file({ rest: tags.map((tag) => `[[tag_rewrite]]\ntags = ["${tag}"]\narches = []`).join('\n') })
    expect(differences(rules('a', 'b'), rules('b', 'a'))).toEqual(['tag_rewrite'])
  })
})
