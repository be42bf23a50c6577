import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ascending, newestFirst } from '../../src/hub/pages.ts'

interface Row {
  readonly id: number
  readonly event: number
}

const tables = fc.uniqueArray(fc.record({ id: fc.nat(200), event: fc.integer({ min: 1, max: 12 }) }), {
  selector: (row) => row.id,
  maxLength: 60,
})
const sizes = fc.integer({ min: 1, max: 7 })

/** A hub's table: exclusive bound, order by event (ties in any order), limit or none. */
function readAscending(table: readonly Row[], limits: boolean) {
  return async (after: number, limit: number): Promise<Row[]> => {
    const rows = table.filter((row) => row.event > after)
    return limits ? rows.sort((a, b) => a.event - b.event).slice(0, limit) : rows
  }
}

it('gives every row once or more, whatever ties, and of a hub that knows no limits too', async () => {
  await fc.assert(
    fc.asyncProperty(tables, sizes, fc.boolean(), fc.nat(6), async (table, limit, limits, after) => {
      const seen = new Set<number>()
      let ends = 0
      const pages = ascending<Row, number>({
        after,
        limit,
        read: readAscending(table, limits),
        at: (row) => row.event,
        below: (event) => event - 1,
      })
      for await (const page of pages) {
        expect(ends).toBe(0)
        if (page.last) ends += 1
        for (const row of page.rows) seen.add(row.id)
      }
      expect(ends).toBe(1)
      expect([...seen].sort()).toEqual(
        table
          .filter((row) => row.event > after)
          .map((row) => row.id)
          .sort(),
      )
    }),
  )
})

it('gives every row above the bound while rows come and go between the pages', async () => {
  const moves = fc.array(fc.record({ remove: fc.boolean(), id: fc.nat(200) }), { maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(tables, sizes, moves, fc.nat(100), async (table, size, changes, downTo) => {
      const limit = size + 1
      const ids = new Set(table.map((row) => row.id))
      const stay = new Set(ids)
      const left = [...changes]
      const seen = new Set<number>()
      const pages = newestFirst({
        method: 'test',
        downTo,
        limit,
        read: async (offset, count) => {
          const rows = [...ids].sort((a, b) => b - a).slice(offset, offset + count)
          const change = left.shift()
          if (change?.remove) {
            ids.delete(change.id)
            stay.delete(change.id)
          } else if (change !== undefined) ids.add(change.id)
          return rows.map((id) => ({ id }))
        },
      })
      for await (const page of pages) for (const row of page.rows) seen.add(row.id)
      for (const id of stay) if (id > downTo) expect(seen.has(id)).toBe(true)
      for (const id of seen) expect(id).toBeGreaterThan(downTo)
    }),
  )
})

it('refuses a list that is out of order or longer than was asked for', async () => {
  const all = async (rows: readonly { id: number }[]) => {
    for await (const _ of newestFirst({ method: 'listRPMs', downTo: 0, limit: 2, read: async () => rows }));
  }
  for (const ids of [
    [1, 2],
    [2, 2],
    [3, 2, 1],
  ])
    await expect(all(ids.map((id) => ({ id })))).rejects.toMatchObject({
      code: 'HUB_ANSWER_INVALID',
      message: expect.stringContaining('listRPMs'),
    })
})
