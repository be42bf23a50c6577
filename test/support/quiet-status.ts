import type { StatusReport } from '../../src/model/status.ts'

export const NOW = Date.parse('2026-01-31T04:05:00Z')
export const AT = '2026-01-31T04:00:00Z'

/** A staging that equals prod, with a daemon and a live change a minute ago. */
export const QUIET: StatusReport = {
  atMs: NOW,
  prodHub: 'https://koji.example.org/kojihub',
  daemons: [{ host: 'h1', pid: 7, started: '2026-01-31T03:05:00Z', seenSeconds: 3 }],
  queue: { live: 0, sweep: 0, delayed: 0, relook: 0, waiting: 0, claimed: 0, parked: 0, oldestSeconds: 0 },
  parkedByCode: {},
  parked: [],
  clashes: {},
  clashing: { clashes: [], decisions: [] },
  minutes: [{ atMs: NOW - 60_000, arrived: 4, applied: 3, lag: { count: 3, sum: 0.09, max: 0.2 } }],
  recent: [
    { atMs: NOW - 5_000, what: 'applied', subject: 'build/7', name: 'bash-5-1', detail: '12 rows' },
    { atMs: NOW - 6_000, what: 'message', subject: 'tag', name: null, detail: '' },
  ],
  reconcile: {
    atMs: NOW - 7_200_000,
    found: {
      tags: 3,
      builds: 9,
      differences: { drift: 2, queued: 0, parked: 0, held: 0 },
      missed: { signatures: 2 },
    },
  },
  scrub: null,
  cursors: [{ source: 'history', event: 777, time: AT }],
  tree: { freeBytes: 5 * 1024 ** 3, reserveBytes: 1024 ** 3, full: false, snapshotAgeSeconds: null },
  placements: [{ mode: 'copy', builds: { intent: 1, placed: 5, removing: 0 }, bytes: 3 * 1024 ** 3 }],
  owned: { build: 10 },
  ownedCountedAt: null,
  debts: 0,
}

/** The same with another queue, or more. */
export function quietBut(
  queue: Partial<StatusReport['queue']>,
  more: Partial<StatusReport> = {},
): StatusReport {
  return { ...QUIET, queue: { ...QUIET.queue, ...queue }, ...more }
}
