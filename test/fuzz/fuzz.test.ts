import fc from 'fast-check'
import { describe, it } from 'vitest'
import { PROPERTIES } from './properties.ts'

/** fast-check prints the seed of a run that fails. Many more: `npm run fuzz`. */
const RUNS = 16_000

describe('whatever comes', () => {
  it.each(PROPERTIES)('$what', async ({ property, share }) => {
    await fc.assert(property, { numRuns: Math.ceil(RUNS * share) })
  })
})
