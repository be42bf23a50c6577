import { expect, it } from 'vitest'
import { mergeListing, type OldEntry } from '../../src/seed/carry/merge-listing.ts'

const LOCAL = 7
/** `1`: prod's build 1; `l9`: staging's build 9. Events of staging's own are above 1000. */
const list = (text: string): OldEntry[] =>
  text
    .split(' ')
    .filter(Boolean)
    .map((word, at) => {
      const isLocal = word.startsWith('l')
      return {
        build: Number(word.replace('l', '')),
        event: isLocal ? 1000 + at : 10 + at,
        creator: isLocal ? LOCAL : null,
      }
    })

const shown = (old: string, now: string): string => {
  const { keep, create } = mergeListing(list(old), list(now))
  const made = create.map(
    ({ build, event, creator }) => `${creator === LOCAL ? 'l' : ''}${build}${event === null ? '!' : ''}`,
  )
  return `${keep.join(' ')} | ${made.join(' ')}`.trim()
}

it.each([
  ['nothing of its own', '1 2', '1 2', '1 2 |'],
  ['what stands last keeps its event', '1 2 l9', '1 2', '1 2 | l9'],
  ['several that stand last', '1 l8 l9', '1', '1 | l8 l9'],
  ['what stands between has those above it made anew', '1 l9 2', '1 2', '1 | l9! 2!'],
  ['what stands first', 'l9 1 2', '1 2', '| l9! 1! 2!'],
  ['the order that prod had meanwhile', '2 1 l9', '1 2', '| 2! 1! l9!'],
  ['what prod tagged after the dump is left to the daemon', '1 3 l9', '1', '1 | l9'],
  ['what prod untagged after the dump stays behind what it stood behind', '1 l9', '1 2', '1 2 | l9'],
  ["prod's build that staging tagged again", '2 l1', '1 2', '| 2! l1!'],
  ['a list of its own', 'l8 l9', '', '| l8 l9'],
])('%s', (_, old, now, wanted) => {
  expect(shown(old, now)).toBe(wanted)
})

it('changes nothing the second time', () => {
  const { keep, create } = mergeListing(list('1 l9 2'), [
    { build: 1, event: 10 },
    { build: 9, event: 1001 },
    { build: 2, event: 2002 },
  ])
  expect({ keep, create }).toEqual({ keep: [1, 9, 2], create: [] })
})
