import { describe, expect, it } from 'vitest'
import { statusText } from '../../src/cli/render-status.ts'
import { comparedOf, scrubPace } from '../../src/model/compared.ts'
import type { StatusReport } from '../../src/model/status.ts'
import { verdictOf } from '../../src/model/verdict.ts'
import { NOW, QUIET, quietBut } from '../support/quiet-status.ts'

const DAY_MS = 86_400_000
const SCRUB = {
  running: true,
  pass: 2,
  started: '2026-01-02T03:04:05Z',
  builds: 1000,
  done: 10,
  missed: { signatures: 2 },
  perSecond: 0.5,
  inTime: true,
  lastStarted: null,
  lastEnded: null,
  lastBuilds: null,
  lastMissed: null,
}
const lines = (status: StatusReport) => comparedOf(status).map(({ by, text }) => `${by}: ${text}`)

describe('the headline', () => {
  it('never says equal of what was not compared, and says what it rests on', () => {
    for (const status of [QUIET, { ...QUIET, reconcile: null }, quietBut({ live: 1 }), null])
      for (const failed of [[], ['hub: down'], null]) {
        const { title, text, compared } = verdictOf(status, failed)
        expect(`${title} ${text}`).not.toMatch(/^equal|\bis equal/i)
        expect(compared.map(({ by }) => by)).toEqual(status === null ? [] : ['live', 'reconcile', 'scrub'])
      }
  })

  it('of a whole comparison two days old is no good news any more', () => {
    const at = (ms: number) => verdictOf({ ...QUIET, reconcile: { atMs: NOW - ms, found: null } }, [])
    expect(at(2 * DAY_MS)).toMatchObject({ level: 'good', title: 'No difference known' })
    expect(at(3 * DAY_MS)).toMatchObject({
      level: 'busy',
      title: 'Not compared',
      text: 'no difference is known, but everything was last compared 3 days ago (reconcile)',
    })
    expect(verdictOf({ ...QUIET, reconcile: null }, []).text).toContain('nobody has compared everything yet')
  })
})

describe('what it rests on', () => {
  it('tells of live changes, of reconcile and of the scrub what each has seen and when', () => {
    expect(lines(QUIET)).toEqual([
      'live: 3 changes in the last hour, in staging 30 ms after they were told of, at most 200 ms',
      'reconcile: tags, settings, lists, builds and their signing keys: compared 2 h ago, 2 differences in 3 tags, 9 taggings; nobody had told of 2 signatures',
      'scrub: checksums, signatures, components and files of each build: never compared',
    ])
  })

  it('says of each when it has seen nothing', () => {
    const idle = { ...QUIET, minutes: [], reconcile: null }
    expect(lines(idle).slice(0, 2)).toEqual([
      'live: no change was told of in the last hour',
      'reconcile: tags, settings, lists, builds and their signing keys: never compared',
    ])
    const told = { atMs: NOW, arrived: 1, applied: 0, lag: { count: 0, sum: 0, max: 0 } }
    expect(lines({ ...QUIET, minutes: [told] })[0]).toBe('live: 1 message in the last hour changed nothing')
    const none = { tags: 1, builds: 1, differences: { drift: 0, queued: 0, parked: 0, held: 0 }, missed: {} }
    expect(lines({ ...QUIET, reconcile: { atMs: NOW, found: none } })[1]).toMatch(
      /compared now, no difference in 1 tag, 1 tagging$/,
    )
    expect(lines({ ...QUIET, reconcile: { atMs: NOW, found: null } })[1]).toContain('was not kept')
  })

  it('tells how far the scrub is, what it found, and whether anybody goes on with it', () => {
    const of = (scrub: StatusReport['scrub']) => lines({ ...QUIET, scrub })[2]
    expect(of(SCRUB)).toMatch(/: pass 2 at 10 of 1000, found 2 signatures; no pass has ended yet$/)
    const ended = { lastEnded: '2026-01-28T04:05:00Z', lastMissed: { checksums: 1 } }
    expect(of({ ...SCRUB, ...ended, running: false, missed: {} })).toMatch(
      /found nothing \(nobody goes on with it\); the last whole one ended 3 days ago, found 1 checksums$/,
    )
    expect(scrubPace(SCRUB)).toBe('1800 builds an hour')
    expect(scrubPace({ ...SCRUB, inTime: false })).toBe('1800 builds an hour: too slow for scrub.days')
    expect(scrubPace({ ...SCRUB, perSecond: 0 })).toContain('off')
  })

  it('is the same on a terminal, line by line', () => {
    const verdict = verdictOf(QUIET, null)
    const text = statusText(QUIET, verdict, (_colour, one) => one)
    for (const { by, text: line } of verdict.compared) expect(text).toContain(`  ${by.padEnd(9)} ${line}\n`)
  })
})
