import { expect, it } from 'vitest'
import { readAhead } from '../../src/reconcile/read-ahead.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

it('gets one item while the one before is worked on, and never more', async () => {
  const told: string[] = []
  async function* source(): AsyncGenerator<number, void> {
    for (let n = 1; n <= 3; n += 1) {
      told.push(`read ${n}`)
      yield n
    }
  }
  for await (const n of readAhead(source())) {
    await turn()
    told.push(`work ${n}`)
  }
  expect(told).toEqual(['read 1', 'read 2', 'work 1', 'read 3', 'work 2', 'work 3'])
})

it('throws what the source throws, after the items before it', async () => {
  async function* source(): AsyncGenerator<number, void> {
    yield 1
    throw new Error('torn')
  }
  const got: number[] = []
  const all = (async () => {
    for await (const n of readAhead(source())) {
      await turn()
      got.push(n)
    }
  })()
  await expect(all).rejects.toThrow('torn')
  expect(got).toEqual([1])
})

it('ends the source when nobody goes on', async () => {
  let ended = false
  async function* source(): AsyncGenerator<number, void> {
    try {
      for (;;) yield 1
    } finally {
      ended = true
    }
  }
  for await (const _ of readAhead(source())) break
  await turn()
  expect(ended).toBe(true)
})
