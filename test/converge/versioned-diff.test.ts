import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Op } from '../../src/converge/ops.ts'
import { diffVersioned, identity, type Judge, type WantedRow } from '../../src/converge/versioned-diff.ts'
import type { VersionedRow } from '../../src/staging/versioned.ts'
import { VERSIONED } from '../../src/staging/versioned-tables.ts'

const OURS = 1
const LOCAL = 2

const judge = (policy: Judge['policy'], lastApplied: number | null = null): Judge => ({
  policy,
  lastApplied,
  isOurs: (row) => row.creatorId === OURS,
  revokedByUs: (row) => row.revokerId === OURS,
})

const link = (parent: number, priority: number, maxdepth: number | null = null) => ({
  tag_id: 1,
  parent_id: parent,
  priority,
  maxdepth,
  intransitive: false,
  noconfig: false,
  pkg_filter: '',
})
const want = (cells: WantedRow['cells'], prodEvent = 10): WantedRow => ({ cells, prodEvent })
const row = (cells: VersionedRow['cells'], creatorId = OURS): VersionedRow => ({
  cells,
  createEvent: 5,
  revokeEvent: null,
  creatorId,
  revokerId: null,
})
const revokedRow = (cells: VersionedRow['cells'], creatorId: number, revokerId: number): VersionedRow => ({
  ...row(cells, creatorId),
  revokeEvent: 6,
  revokerId,
})
const diff = (
  wanted: WantedRow[],
  active: VersionedRow[],
  by: Judge = judge('prod-wins'),
  revoked: VersionedRow[] = [],
) => diffVersioned({ table: 'tag_inheritance', wanted, active, revoked }, by)

const short = (ops: readonly Op[]): string[] =>
  ops.map((op) =>
    op.kind === 'create'
      ? `+${op.cells.parent_id}@${op.cells.priority}#${op.slot}`
      : `-${op.row.cells.parent_id}@${op.row.cells.priority}#${op.slot}`,
  )

describe('the difference of versioned rows', () => {
  it('is nothing for an equal row, but that a local one is adopted', () => {
    const nothing = { ops: [], removals: [], clashes: [] }
    const [ours, theirs] = [row(link(2, 0), OURS), row(link(2, 0), LOCAL)]
    expect(diff([want(link(2, 0))], [ours])).toEqual({ ...nothing, adopted: [] })
    expect(diff([want(link(2, 0))], [theirs])).toEqual({ ...nothing, adopted: [theirs] })
  })

  it('replaces a row of ours at prod’s event', () => {
    expect(short(diff([want(link(2, 5), 12)], [row(link(2, 0))]).ops)).toEqual(['-2@0#12', '+2@5#12'])
  })

  it('knows null from the text, and a bigint from nothing', () => {
    const filtered = { ...link(2, 0), pkg_filter: null }
    expect(short(diff([want(filtered)], [row({ ...filtered, pkg_filter: 'null' })]).ops)).toHaveLength(2)
    expect(diff([want({ ...filtered, priority: 5n })], [row({ ...filtered, priority: 5 })]).ops).toEqual([])
  })

  it.each([
    ['prod-wins', ['-2@1#10', '+2@0#10'], 'prod-won'],
    ['local-wins', [], 'local-won'],
    ['hold', [], 'held'],
  ] as const)('a row that was edited here: %s', (policy, ops, decision) => {
    const result = diff([want(link(2, 0))], [row(link(2, 1), LOCAL)], judge(policy))
    expect(short(result.ops)).toEqual(ops)
    expect(result.clashes).toMatchObject([{ kind: 'edited', decision }])
    expect(result.removals).toEqual([])
  })

  it.each([
    ['prod-wins', ['+2@0#10'], 'prod-won'],
    ['local-wins', [], 'local-won'],
    ['hold', [], 'held'],
  ] as const)(
    'a row of ours that was removed here while prod’s is as it was: %s',
    (policy, ops, decision) => {
      const revoked = [revokedRow(link(2, 0), OURS, LOCAL)]
      const result = diff([want(link(2, 0), 10)], [], judge(policy, 10), revoked)
      expect(short(result.ops)).toEqual(ops)
      expect(result.clashes).toMatchObject([{ kind: 'removed', decision }])
    },
  )

  it.each([
    ['it is new in prod', 11, revokedRow(link(2, 0), OURS, LOCAL)],
    ['prod has other values by now', 10, revokedRow(link(2, 7), OURS, LOCAL)],
    ['we revoked it ourselves', 10, revokedRow(link(2, 0), OURS, OURS)],
    ['it was never ours', 10, revokedRow(link(2, 0), LOCAL, LOCAL)],
  ])('is created without a clash when %s', (_why, prodEvent, before) => {
    const result = diff([want(link(2, 0), prodEvent)], [], judge('hold', 10), [before])
    expect(short(result.ops)).toEqual([`+2@0#${prodEvent}`])
    expect(result.clashes).toEqual([])
  })

  it('what prod no longer has is a removal where it is ours, and stays where it is local', () => {
    const result = diff([want(link(4, 4), 12)], [row(link(2, 0)), row(link(3, 1), LOCAL), row(link(4, 4))])
    expect(short(result.ops)).toEqual(['-2@0#12'])
    expect(result.removals).toEqual(result.ops)
    expect(result.clashes).toEqual([])
  })

  it.each([
    ['prod-wins', ['-9@0#10', '+2@0#10'], 'prod-won'],
    ['local-wins', [], 'local-won'],
    ['hold', [], 'held'],
  ] as const)('a priority that a local parent has: %s', (policy, ops, decision) => {
    const result = diff([want(link(2, 0))], [row(link(9, 0), LOCAL)], judge(policy))
    expect(short(result.ops)).toEqual(ops)
    expect(result.clashes).toMatchObject([{ kind: 'slot', decision }])
  })

  it('swaps two priorities of ours', () => {
    const result = diff([want(link(2, 1), 11), want(link(3, 0), 12)], [row(link(2, 0)), row(link(3, 1))])
    expect(short(result.ops)).toEqual(['-2@0#11', '+2@1#11', '-3@1#12', '+3@0#12'])
  })

  it('what stays keeps its slot from everybody: a held edit, and what it pushes back', () => {
    // 2 was edited here to priority 7; prod gives 3 the priority 7 and 4 the one that 3 had.
    const result = diff(
      [want(link(2, 0)), want(link(3, 7), 11), want(link(4, 3), 12)],
      [row(link(2, 7), LOCAL), row(link(3, 3)), row(link(4, 4))],
      judge('hold'),
    )
    expect(result.ops).toEqual([])
    expect(result.clashes.map(({ subject, kind }) => `${kind} ${subject}`)).toEqual([
      'edited tag_inheritance tag_id=1 parent_id=2',
      'slot tag_inheritance tag_id=1 priority=7',
      'slot tag_inheritance tag_id=1 priority=3',
    ])
  })
})

const cells = fc.record({ parent: fc.integer({ min: 2, max: 6 }), priority: fc.integer({ min: 0, max: 5 }) })
/** As a database has them: one row a parent, one a priority. */
const table = fc
  .uniqueArray(cells, { selector: (entry) => entry.parent, maxLength: 5 })
  .map((rows) =>
    rows.filter((entry, i) => rows.findIndex((other) => other.priority === entry.priority) === i),
  )

describe('for any two tables', () => {
  const all = fc.record({
    wanted: table,
    active: fc
      .tuple(table, fc.infiniteStream(fc.boolean()))
      .map(([rows, own]) =>
        rows.map((entry) => row(link(entry.parent, entry.priority), own.next().value ? OURS : LOCAL)),
      ),
    policy: fc.constantFrom<Judge['policy']>('prod-wins', 'local-wins', 'hold'),
  })

  it('the unique indexes hold afterwards, and a second difference has no ops', () => {
    fc.assert(
      fc.property(all, ({ wanted, active, policy }) => {
        const wants = wanted.map((entry, i) => want(link(entry.parent, entry.priority), 10 + i))
        const result = diff(wants, active, judge(policy))
        const gone = new Set(result.ops.flatMap((op) => (op.kind === 'revoke' ? [op.row] : [])))
        const after = [
          ...active.filter((entry) => !gone.has(entry)),
          ...result.ops.flatMap((op) => (op.kind === 'create' ? [row(op.cells)] : [])),
        ]
        const { key, uniques } = VERSIONED.tag_inheritance
        for (const columns of [key, ...uniques]) {
          const slots = after.map((entry) => identity(entry.cells, columns))
          expect(new Set(slots).size).toBe(slots.length)
        }
        expect(diff(wants, after, judge(policy)).ops).toEqual([])
        if (policy === 'prod-wins') {
          const shown = after.map((entry) => `${entry.cells.parent_id}@${entry.cells.priority}`)
          for (const entry of wanted) expect(shown).toContain(`${entry.parent}@${entry.priority}`)
        } else {
          for (const entry of active) if (entry.creatorId === LOCAL) expect(after).toContain(entry)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
