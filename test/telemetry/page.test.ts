import { describe, expect, it } from 'vitest'
import type { PageData } from '../../src/telemetry/page/data.ts'
import { renderPage } from '../../src/telemetry/page/page.ts'
import { verdictOf } from '../../src/telemetry/page/verdict.ts'
import { Recent } from '../../src/telemetry/recent.ts'

const NOW = Date.parse('2026-01-31T04:05:00Z')
const EVIL = `<script>alert(1)</script>"'&\u202e https://eva:hunter2@b/`
const at = '2026-01-31T04:00:00Z'

const QUIET: PageData = {
  version: '1.2.3',
  host: 'h1',
  nowMs: NOW,
  startedMs: NOW - 3_600_000,
  prodHub: 'https://koji.example.org/kojihub',
  ready: [{ name: 'hub', ok: true, reason: 'up' }],
  status: {
    queue: { live: 0, sweep: 0, waiting: 0, claimed: 0, parked: 0, oldestSeconds: 0 },
    owned: {},
    ownedCountedAt: null,
    clashes: {},
    parked: [],
    cursors: [{ source: 'history', event: 777, lastSuccess: at }],
    debts: 0,
    scrub: null,
  },
  clashes: { clashes: [], decisions: [] },
  parked: [],
  lags: [{ atMs: NOW - 60_000, count: 3, mean: 0.03, max: 0.2 }],
  recent: [{ atMs: NOW - 5_000, what: 'applied', subject: 'build/7', detail: '12 rows,' }],
  reconcile: { lastDoneMs: NOW - 7_200_000, last: { tags: 3, builds: 9, differences: 0 } },
  placements: [],
}

function withQueue(
  queue: Partial<NonNullable<PageData['status']>['queue']>,
  more: Partial<PageData> = {},
): PageData {
  const status = QUIET.status as NonNullable<PageData['status']>
  return { ...QUIET, status: { ...status, queue: { ...status.queue, ...queue } }, ...more }
}

const CLASH = {
  key: 'build/7',
  name: EVIL,
  subject: EVIL,
  kind: EVIL,
  state: 'held',
  prod: { source: EVIL },
  local: null,
  firstSeen: at,
  lastSeen: at,
  count: 1,
} as const

describe('the page', () => {
  it.each([
    ['good', 'Equal', QUIET],
    ['busy', 'Being made equal', withQueue({ live: 2, oldestSeconds: 1 })],
    ['bad', 'Behind', withQueue({ claimed: 1, oldestSeconds: 300 })],
    ['bad', 'Not equal', withQueue({ parked: 1 })],
    ['bad', 'Cannot tell', { ...QUIET, ready: [{ name: 'hub', ok: false, reason: 'down' }] }],
    ['bad', 'Cannot tell', { ...QUIET, status: null, clashes: null, parked: null }],
    ['busy', 'Nothing is known to differ', { ...QUIET, reconcile: { lastDoneMs: null, last: null } }],
    [
      'busy',
      'Nothing is known to differ',
      { ...QUIET, reconcile: { lastDoneMs: NOW - 3 * 86_400_000, last: null } },
    ],
  ])('says at a glance: %s, %s', (level, title, data) => {
    expect(verdictOf(data)).toMatchObject({ level, title })
    const page = renderPage(data)
    expect(page).toContain(`<p class="verdict ${level}"><b>${title}</b>`)
    expect(page).toContain(`<title>${title} - koji-staging-sync</title>`)
  })

  it('shows queue, lag, what was done, parked keys, clashes with both sides, and how far the finders are', () => {
    const parked = [
      {
        key: 'build/8',
        name: null,
        code: 'STORAGE_SOURCE_MISSING',
        reason: 'gone',
        attempts: 9,
        since: at,
        retryAt: at,
      },
    ]
    const clash = {
      ...CLASH,
      name: 'bash-5-1',
      subject: 's',
      kind: 'nvr',
      prod: { epoch: 1 },
      local: { epoch: 2 },
    }
    const decisions = [{ key: 'tag/3', name: 'f43', policy: 'hold', by: 'eva', host: 'h1', at }] as const
    const page = renderPage(withQueue({ parked: 3 }, { parked, clashes: { clashes: [clash], decisions } }))
    for (const text of [
      'STORAGE_SOURCE_MISSING',
      'and 2 more',
      '&quot;epoch&quot;: 1',
      '&quot;epoch&quot;: 2',
      'bash-5-1',
      'by eva on h1',
      'event 777',
      '0 differences in 3 tags',
      'build/7',
      '5 s ago',
      'mean 30 ms',
      'scrub: never',
    ])
      expect(page).toContain(text)
    expect([...page.matchAll(/<rect /g)]).toHaveLength(1)
  })

  it('escapes all that comes from outside, masks passwords, and has no script nor anything from elsewhere', () => {
    const page = renderPage({
      ...QUIET,
      host: EVIL,
      prodHub: EVIL,
      ready: [{ name: EVIL, ok: false, reason: EVIL }],
      clashes: {
        clashes: [CLASH],
        decisions: [{ key: EVIL, name: EVIL, policy: 'hold', by: EVIL, host: EVIL, at: EVIL }],
      },
      parked: [{ key: EVIL, name: EVIL, code: EVIL, reason: EVIL, attempts: 1, since: EVIL, retryAt: EVIL }],
      recent: [{ atMs: NOW, what: EVIL, subject: EVIL, detail: EVIL }],
      placements: [{ mode: EVIL, state: EVIL, builds: 1 }],
    })
    expect(page).not.toMatch(/<script|hunter2|\u202e| on\w+=|javascript:/)
    expect(page).not.toMatch(/(src|href)="(https?:)?\/\//)
    const tags = new Set([...page.matchAll(/<([a-z0-9]+)[ >]/g)].map(([, name]) => name))
    const known =
      'html head meta title style body h1 h2 p b code dl div dt dd ul li small span details summary pre svg line text rect a'.split(
        ' ',
      )
    expect([...tags].filter((name) => !known.includes(name ?? ''))).toEqual([])
  })

  it('closes what it opens', () => {
    const page = renderPage(withQueue({ parked: 1 }, { clashes: { clashes: [CLASH], decisions: [] } }))
    const open: string[] = []
    for (const [, slash, name = '', rest = ''] of page
      .replace(/<style>[\s\S]*<\/style>/, '')
      .matchAll(/<(\/?)([a-z0-9]+)([^>]*)>/g)) {
      if (name === 'meta' || rest.endsWith('/')) continue
      if (slash === '/') expect(open.pop()).toBe(name)
      else open.push(name)
    }
    expect(open).toEqual([])
  })
})

describe('what is remembered for it', () => {
  it('is an hour of lag and the newest things, and no more', () => {
    let now = NOW
    const recent = new Recent(() => now)
    recent.lag(5)
    now += 30 * 60_000
    recent.lag(1)
    recent.lag(3)
    expect(recent.lags().map(({ count, mean, max }) => [count, mean, max])).toEqual([
      [1, 5, 5],
      [2, 2, 3],
    ])
    now += 45 * 60_000
    expect(recent.lags()).toHaveLength(1)
    for (let i = 0; i < 500; i += 1) recent.add('applied', `build/${i}`, 'x'.repeat(5000))
    expect(recent.things()[0]?.subject).toBe('build/499')
    expect(recent.things()).toHaveLength(50)
    expect(recent.things()[0]?.detail.length).toBeLessThan(400)
  })
})
