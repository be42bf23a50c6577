import { expect, it, onTestFinished } from 'vitest'
import { busPosition } from '../../src/operations/bus-position.ts'
import { makeWorld } from '../staging/world.ts'

it('the position of the bus is kept, to the millisecond, and only goes forwards', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const position = busPosition(world.database)
  expect(await position.read()).toBeNull()
  await position.write(1_763_800_000_123)
  expect(await position.read()).toBe(1_763_800_000_123)
  await position.write(1_763_700_000_000)
  expect(await busPosition(world.database).read()).toBe(1_763_800_000_123)
})
