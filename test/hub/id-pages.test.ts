import { expect, it } from 'vitest'
import { IdPages } from '../../src/hub/id-pages.ts'

interface Row {
  readonly id: number
  readonly key: string
}

/** A list of prod's, and how often it was asked for how many rows. */
function listOf(ids: readonly number[]): { rows: Row[]; asked: number[]; pages: IdPages<Row> } {
  const rows = ids.map((id, i) => ({ id, key: `k${i}` }))
  const asked: number[] = []
  const list = { rows, asked, pages: null as unknown as IdPages<Row> }
  list.pages = new IdPages<Row>({
    limit: 10,
    idOf: ({ id }) => id,
    read: async (offset, limit) => {
      asked.push(limit)
      return list.rows.slice(offset, offset + limit)
    },
  })
  return list
}

const many = Array.from({ length: 1_000 }, (_, i) => i * 3)

it('reads ranges that follow one another for little more than their rows', async () => {
  const { pages, asked } = listOf(many)
  for (let from = 0; from < 3_000; from += 60) {
    const found = await pages.between(from, from + 59, 1_000)
    expect(found?.map(({ id }) => id)).toEqual(many.filter((id) => id >= from && id < from + 60))
  }
  expect(asked.reduce((sum, rows) => sum + rows, 0)).toBeLessThan(2_500)
})

it('finds a range far up by a few probes, and one that lies below again', async () => {
  const { pages, asked } = listOf(many)
  expect((await pages.between(2_400, 2_412, 100))?.map(({ id }) => id)).toEqual([
    2400, 2403, 2406, 2409, 2412,
  ])
  expect(asked.length).toBeLessThan(25)
  expect((await pages.between(30, 33, 100))?.map(({ id }) => id)).toEqual([30, 33])
  expect(await pages.between(5_000, 6_000, 100)).toEqual([])
})

it('keeps all rows of one id, wherever a page ends', async () => {
  const { pages } = listOf(Array.from({ length: 60 }, (_, i) => Math.floor(i / 3)))
  for (let id = 0; id < 20; id += 1) expect(await pages.between(id, id, 100)).toHaveLength(3)
})

it('misses nothing when rows that were counted go, or others come before', async () => {
  const gone = listOf(many)
  await gone.pages.between(0, 1_500, 10_000)
  gone.rows.splice(0, 200)
  expect((await gone.pages.between(1_501, 1_530, 100))?.map(({ id }) => id)).toEqual(
    many.filter((id) => id > 1_500 && id <= 1_530),
  )
  const come = listOf(many)
  await come.pages.between(0, 1_500, 10_000)
  come.rows.splice(5, 0, ...Array.from({ length: 50 }, (_, i) => ({ id: 13, key: `late${i}` })))
  expect((await come.pages.between(1_501, 1_530, 100))?.map(({ id }) => id)).toEqual(
    many.filter((id) => id > 1_500 && id <= 1_530),
  )
})

it('says when what is wanted lies too far apart', async () => {
  expect(await listOf(many).pages.between(0, 2_900, 50)).toBeNull()
})
