import type { StatusReport } from '../../src/model/status.ts'
import { verdictOf } from '../../src/model/verdict.ts'
import type { PageData } from '../../src/telemetry/page/data.ts'
import { AT, NOW, QUIET } from '../support/quiet-status.ts'

/** What somebody who wants to break the page would name a thing. */
export const EVIL = `<script>alert(1)</script>"'&\u202e https://eva:hunter2@b/ onload=x`
const LONG = `kernel-6.18.0-0.rc1.${'x'.repeat(120)}.fc44`
const PATH = `/mnt/prod-koji/packages/${'kernel/'.repeat(20)}x86_64`
const HASH = '9f86d081884c7d659a2feaa0c55ad015'.repeat(4)

const clash = (
  key: string,
  name: string,
  state: 'held' | 'prod-won',
  [prod, local]: readonly [unknown, unknown],
) => ({ key, name, subject: name, kind: 'nvr', state, prod, local, firstSeen: AT, lastSeen: AT, count: 3 })

const parked = (key: string, name: string | null, reason: string) => ({
  key,
  name,
  code: 'STORAGE_WRONG_DIGEST',
  reason,
  attempts: 10,
  since: AT,
  retryAt: AT,
})

/** An hour with a peak in it. */
const MINUTES = Array.from({ length: 60 }, (_, i) => ({
  atMs: NOW - (59 - i) * 60_000,
  arrived: 2 * i,
  applied: i,
  lag: { count: 40, sum: 2, max: i > 40 && i < 48 ? 300 : 0.4 },
}))

/** A staging in trouble: much of everything, long and hostile names. */
const BUSY: StatusReport = {
  ...QUIET,
  minutes: MINUTES,
  daemons: [1, 2].map((pid) => ({ host: `sync0${pid}.${LONG}`, pid, started: AT, seenSeconds: 2 })),
  queue: {
    live: 12_345,
    sweep: 1_234_567,
    delayed: 7,
    relook: 2,
    waiting: 3,
    claimed: 8,
    parked: 60,
    oldestSeconds: 341,
  },
  clashes: { held: 5, 'prod-won': 1 },
  clashing: {
    clashes: [
      clash('build/1', LONG, 'held', [{ source: `git+https://${HASH}`, owner: 'a' }, { owner: EVIL }]),
      clash('tag/2', EVIL, 'held', [{ [EVIL]: EVIL, [HASH]: 1 }, null]),
      clash('tag/9', 'f43', 'prod-won', [HASH.repeat(5), [1, 2, 3]]),
    ],
    decisions: [{ key: 'build/88', name: LONG, policy: 'prod-wins', by: EVIL, host: LONG, at: AT }],
  },
  parked: [
    parked('build/8', LONG, `${PATH}: no such directory`),
    parked('build/9', EVIL, `sha256 of ${PATH} is ${HASH}, prod says ${HASH}`),
    parked('tag/8', null, EVIL),
  ],
  recent: Array.from({ length: 30 }, (_, i) => ({
    atMs: NOW - i * 900,
    what: i % 4 === 0 ? 'message' : 'applied',
    subject: i % 4 === 0 ? 'tag' : `tagged/${i}/22`,
    name: i % 3 === 0 ? null : LONG,
    detail: '3 rows, 48 ms after it came',
  })),
  cursors: ['builds', 'history', EVIL].map((source) => ({ source, event: 98_765_432, time: AT })),
  placements: ['volume', 'copy', 'in-place'].map((mode) => ({
    mode,
    builds: { intent: 12_345, placed: 2_500_000, removing: 12_345 },
    bytes: 91 * 1024 ** 4,
  })),
}

function page(status: StatusReport | null, failed: readonly string[]): PageData {
  return {
    verdict: verdictOf(status, failed),
    version: '1.2.3',
    host: `sync01.${LONG}`,
    nowMs: NOW,
    startedMs: NOW - 3_600_000,
    prodHub: `https://${LONG}/kojihub`,
    own: { minutes: MINUTES, things: [] },
    ready: ['progress', 'database'].map((name) => ({
      name,
      ok: !failed.includes(name),
      reason: failed.includes(name) ? `down for 341 s: ${PATH}` : 'up',
    })),
    status,
  }
}

export const PAGES: Readonly<Record<string, PageData>> = {
  quiet: page({ ...QUIET, minutes: MINUTES }, []),
  busy: page(BUSY, []),
  'without a database': page(null, ['database']),
}
