import { describe, expect, it } from 'vitest'
import type { ShownClash, StatusReport } from '../../src/model/status.ts'
import { verdictOf } from '../../src/model/verdict.ts'
import type { PageData, ReadyCheck } from '../../src/telemetry/page/data.ts'
import { renderPage } from '../../src/telemetry/page/page.ts'
import { Recent } from '../../src/telemetry/recent.ts'
import { AT, NOW, QUIET, quietBut } from '../support/quiet-status.ts'

const EVIL = `<script>alert(1)</script>"'&\u202e https://eva:hunter2@b/ onload=x`

function dataOf(
  status: StatusReport | null,
  ready: readonly ReadyCheck[] = [{ name: 'hub', ok: true, reason: 'up' }],
): PageData {
  const failed = ready.filter(({ ok }) => !ok).map(({ name, reason }) => `${name}: ${reason}`)
  return {
    verdict: verdictOf(status, failed),
    version: '1.2.3',
    host: 'h1',
    nowMs: NOW,
    startedMs: NOW - 3_600_000,
    prodHub: QUIET.prodHub,
    own: {
      minutes: QUIET.minutes,
      things: [{ atMs: NOW - 5_000, what: 'applied', subject: 'build/9', detail: '' }],
    },
    ready,
    status,
  }
}

const CLASH: ShownClash = {
  key: 'build/7',
  name: EVIL,
  subject: EVIL,
  kind: EVIL,
  state: 'held',
  prod: { source: EVIL, [EVIL]: EVIL },
  local: null,
  firstSeen: AT,
  lastSeen: AT,
  count: 1,
}
const PARKED = {
  key: 'build/8',
  name: null,
  code: 'STORAGE_SOURCE_MISSING',
  reason: 'gone',
  attempts: 9,
  since: AT,
  retryAt: AT,
}

describe('the page', () => {
  it.each<[string, string, PageData]>([
    ['good', 'No difference known', dataOf(QUIET)],
    ['good', 'No difference known', dataOf({ ...QUIET, daemons: [] })],
    ['busy', 'Being made equal', dataOf(quietBut({ live: 2, oldestSeconds: 1 }))],
    ['busy', 'Being made equal', dataOf(quietBut({ delayed: 1 }))],
    ['good', 'No difference known', dataOf(quietBut({ relook: 2, oldestSeconds: 1 }))],
    ['bad', 'Behind', dataOf(quietBut({ relook: 2, oldestSeconds: 61 }))],
    ['bad', 'Behind', dataOf(quietBut({ claimed: 1, oldestSeconds: 300 }))],
    ['bad', 'Not equal', dataOf(quietBut({ parked: 1 }))],
    ['bad', 'Not equal', dataOf({ ...QUIET, clashes: { held: 1 } })],
    ['bad', 'Cannot tell', dataOf(QUIET, [{ name: 'hub', ok: false, reason: 'down' }])],
    ['bad', 'Cannot tell', dataOf(null)],
    ['busy', 'Not compared', dataOf({ ...QUIET, reconcile: null })],
    ['busy', 'Not compared', dataOf({ ...QUIET, reconcile: { atMs: NOW - 3 * 86_400_000, found: null } })],
  ])('says at a glance: %s, %s', (level, title, data) => {
    expect(data.verdict).toMatchObject({ level, title })
    const page = renderPage(data)
    expect(page).toContain(`<div class="verdict ${level}"><h1>${title}</h1>`)
    expect(page).toContain(`<title>${title} - koji-staging-sync</title>`)
  })

  it('shows lag, what came and was done, queue, drift, placement use and how far the finders are', () => {
    const text = textOf(renderPage(dataOf(quietBut({ live: 12, sweep: 5, oldestSeconds: 7 }))))
    for (const wanted of [
      'Ready, live 12 Ready, sweep 5',
      'Oldest due 7 s',
      'Lag, last 5 min 30 ms most 200 ms',
      'Came, last 5 min 4 messages',
      'Made equal, last 5 min 3 keys',
      'Last reconcile 2 h ago',
      '04:04Z: 3 changes, mean 30 ms, at most 200 ms',
      '04:04Z: 4 messages came, 3 keys made equal',
      'applied bash-5-1 build/7, 12 rows, 5 s ago',
      'message tag 6 s ago',
      'live 3 changes in the last hour, in staging 30 ms after they were told of, at most 200 ms',
      'compared 2 h ago, 2 differences in 3 tags, 9 taggings; nobody had told of 2 signatures',
      'catch-up, history event 777; its newest change is from 5 min ago',
      'scrub checksums, signatures, components and files of each build: never compared',
      'copy 5 1 0 3 GiB',
      '5 GiB free, 1 GiB of it kept so',
      'ok hub up',
    ])
      expect(text).toContain(wanted)
  })

  it('joins messages that came one after the other', () => {
    const message = (subject: string, seconds: number) => ({
      atMs: NOW - seconds * 1000,
      what: 'message',
      subject,
      name: null,
      detail: '',
    })
    const recent = [message('tag', 1), message('untag', 2), message('tag', 3), ...QUIET.recent]
    const text = textOf(renderPage(dataOf({ ...QUIET, recent })))
    expect(text).toContain('3 messages 2 tag, 1 untag, 1 s ago applied bash-5-1')
  })

  it('shows both sides of a clash field by field, marks what differs, and says how to decide', () => {
    const clash = {
      ...CLASH,
      name: 'bash-5-1',
      subject: 's',
      kind: 'nvr',
      prod: { epoch: 1, source: 'a' },
      local: { epoch: 2, source: 'a' },
    }
    const decisions = [{ key: 'tag/3', name: 'f43', policy: 'hold', by: 'eva', host: 'h1', at: AT }] as const
    const clashes = { held: 3 }
    const page = renderPage(dataOf({ ...QUIET, clashes, clashing: { clashes: [clash], decisions } }))
    expect(page).toContain('<tr class="other"><th>epoch</th><td>1</td><td>2</td></tr>')
    expect(page).toContain('<tr class="same"><th>source</th><td>a</td><td>a</td></tr>')
    expect(page).toContain('<details open><summary>')
    const text = textOf(page)
    for (const wanted of [
      '3 held',
      'and 2 more: clashes list',
      'clashes resolve build/7 prod-wins|local-wins|hold',
      'hold f43 by eva on h1',
    ])
      expect(text).toContain(wanted)
    const gone = {
      clashes: [
        { ...clash, local: null },
        { ...clash, prod: 'x'.repeat(5000), local: [1] },
      ],
    }
    const other = renderPage(dataOf({ ...QUIET, clashing: { ...gone, decisions: [] } }))
    expect(other).toContain('<td>1</td><td>none</td>')
    expect(other).toContain('clashes show prints all of it')
  })

  it('shows parked keys with their reasons, and how to go on', () => {
    const text = textOf(renderPage(dataOf(quietBut({ parked: 3 }, { parked: [PARKED] }))))
    for (const wanted of [
      'build/8 STORAGE_SOURCE_MISSING gone',
      '9 attempts',
      'and 2 more: parked list',
      'parked retry build/8',
    ])
      expect(text).toContain(wanted)
  })

  it('tells what is in the way first, and what it knows itself while the database does not answer', () => {
    const page = renderPage(dataOf(null, [{ name: 'database', ok: false, reason: 'down for 7 s' }]))
    const text = textOf(page)
    expect(text).toContain('Cannot tell database: down for 7 s')
    expect(text.indexOf('FAIL database')).toBeLessThan(text.indexOf('Lag of live changes'))
    expect(text).toContain('applied build/9')
    expect(text).toContain('mean 30 ms')
  })

  it('escapes all that comes from outside, masks passwords, and has no script nor anything from elsewhere', () => {
    const evil: StatusReport = {
      ...QUIET,
      daemons: [1, 2].map((pid) => ({ host: EVIL, pid, started: AT, seenSeconds: 1 })),
      queue: { ...QUIET.queue, parked: 1 },
      clashes: { [EVIL]: 1, held: 1 },
      clashing: {
        clashes: [CLASH, { ...CLASH, prod: EVIL, local: [EVIL] }],
        decisions: [{ key: EVIL, name: EVIL, policy: 'hold', by: EVIL, host: EVIL, at: EVIL }],
      },
      parked: [{ ...PARKED, key: EVIL, name: EVIL, code: EVIL, reason: EVIL, since: EVIL, retryAt: EVIL }],
      recent: [{ atMs: NOW, what: EVIL, subject: EVIL, name: EVIL, detail: EVIL }],
      reconcile: {
        atMs: NOW,
        found: {
          tags: 1,
          builds: 1,
          differences: { drift: 1, queued: 0, parked: 0, held: 0 },
          missed: { [EVIL as 'tag']: 1 },
        },
      },
      cursors: [{ source: EVIL, event: 1, time: AT }],
      placements: [{ mode: EVIL, builds: { intent: 0, placed: 1, removing: 0 }, bytes: 1 }],
    }
    const data = {
      ...dataOf(evil, [{ name: EVIL, ok: false, reason: EVIL }]),
      host: EVIL,
      prodHub: EVIL,
      version: EVIL,
    }
    const page = renderPage(data)
    expect(page).not.toMatch(/<script|hunter2|\u202e|<[^>]* on\w+=|javascript:/)
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//)
    const tags = new Set([...page.matchAll(/<([a-z0-9]+)[ >]/g)].map(([, name]) => name))
    const known =
      'html head meta title style body header main section footer h1 h2 h3 p b code dl div dt dd ul li small span details summary table tr th td svg g line text rect a'.split(
        ' ',
      )
    expect([...tags].filter((name) => !known.includes(name ?? ''))).toEqual([])
  })

  it.each([
    ['quiet', dataOf(QUIET)],
    [
      'full',
      dataOf(
        quietBut(
          { parked: 9 },
          { parked: [PARKED], clashes: { held: 9 }, clashing: { clashes: [CLASH], decisions: [] } },
        ),
      ),
    ],
    ['without a database', dataOf(null, [{ name: 'database', ok: false, reason: 'down' }])],
  ])('closes what it opens: %s', (_what, data) => {
    const open: string[] = []
    for (const [, slash, name = '', rest = ''] of renderPage(data)
      .replace(/<style>[\s\S]*<\/style>/, '')
      .matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
      if (name === 'meta' || rest.endsWith('/')) continue
      if (slash === '/') expect(open.pop()).toBe(name)
      else open.push(name)
    }
    expect(open).toEqual([])
  })

  it('draws each minute where it belongs, and an axis that holds the highest', () => {
    const minutes = [0, 30, 59].map((ago) => ({
      atMs: NOW - ago * 60_000,
      arrived: ago * 70,
      applied: 2,
      lag: { count: ago === 30 ? 0 : 1, sum: 5, max: 5 },
    }))
    const page = renderPage(dataOf({ ...QUIET, minutes }))
    const bars = (kind: string) =>
      [...page.matchAll(new RegExp(`<rect class="${kind}" x="([\\d.]+)"`, 'g'))].map(([, x]) => Number(x))
    expect(bars('thin')).toHaveLength(2)
    expect(bars('came')).toHaveLength(3)
    for (const x of [...bars('bar'), ...bars('came')]) {
      expect(x).toBeGreaterThanOrEqual(48)
      expect(x).toBeLessThan(400)
    }
    expect([...bars('came')].sort((a, b) => b - a)).toEqual(bars('came'))
    expect(page).toContain('>5000</text>')
    expect(page).not.toMatch(/y="-|height="-|NaN/)
  })
})

/** What a person reads, tags and entities aside. */
function textOf(page: string): string {
  return page
    .replace(/<style>[\s\S]*<\/style>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/&#39;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/\s+/g, ' ')
    .replace(/ ([,;:.])/g, '$1')
}

describe('what is remembered for it', () => {
  it('is an hour of minutes and the newest things, and no more', () => {
    let now = NOW
    const recent = new Recent(() => now)
    recent.lag(5)
    recent.arrived('tag')
    now += 30 * 60_000
    recent.lag(1)
    recent.lag(3)
    recent.applied('build/1', '2 rows')
    expect(recent.activity().minutes.map(({ arrived, applied, lag }) => [arrived, applied, lag])).toEqual([
      [1, 0, { count: 1, sum: 5, max: 5 }],
      [0, 1, { count: 2, sum: 4, max: 3 }],
    ])
    now += 45 * 60_000
    expect(recent.activity().minutes).toHaveLength(1)
    for (let i = 0; i < 500; i += 1) {
      now += 10_000
      recent.add('applied', `build/${i}`, 'x'.repeat(5000))
    }
    const { things } = recent.activity()
    expect(things[0]?.subject).toBe('build/499')
    expect(things).toHaveLength(50)
    expect(things[0]?.detail.length).toBeLessThan(400)
  })

  it('holds what else happened through a burst', () => {
    const recent = new Recent(() => NOW)
    recent.add('parked', 'build/1', 'why')
    recent.add('held', 'tag/1', 'why')
    for (let i = 0; i < 1000; i += 1) recent.applied(`build/${i}`, '')
    const { things, minutes } = recent.activity()
    expect(things.filter(({ what }) => what !== 'applied').map(({ what }) => what)).toEqual([
      'held',
      'parked',
    ])
    expect(minutes[0]?.applied).toBe(1000)
  })
})
