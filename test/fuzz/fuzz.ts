/** Hostile inputs without end, with their seeds and this process' memory. */
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { PROPERTIES } from './properties.ts'

const USAGE = `npm run fuzz [-- OPTION...]

  --runs N    inputs in all (100000), in chunks of 5,000 of one kind
  --seed S    of the first chunk (1); the next has the next one
  --only TEXT kinds whose description contains this
`
const CHUNK = 5_000

function megabytes(): { rss: number; heap: number } {
  ;(globalThis as { gc?: () => void }).gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return { rss: Math.round(rss / 2 ** 20), heap: Math.round(heapUsed / 2 ** 20) }
}

async function fuzz(runs: number, firstSeed: number, only: string): Promise<void> {
  const chosen = PROPERTIES.filter(({ what }) => what.includes(only))
  const shares = chosen.reduce((sum, { share }) => sum + share, 0)
  const begin = performance.now()
  let [seed, done, heapMax, rssMax] = [firstSeed, 0, 0, 0]
  let heapFirst: number | null = null
  // All kinds in turn, so that what grows is seen early.
  const left = chosen.map(({ share }) => Math.ceil((runs * share) / shares))
  while (left.some((count) => count > 0)) {
    for (const [index, { property }] of chosen.entries()) {
      const numRuns = Math.min(CHUNK, left[index] ?? 0)
      if (numRuns === 0) continue
      await fc.assert(property, { numRuns, seed })
      left[index] = (left[index] ?? 0) - numRuns
      done += numRuns
      seed += 1
    }
    const { rss, heap } = megabytes()
    heapFirst ??= heap
    ;[heapMax, rssMax] = [Math.max(heapMax, heap), Math.max(rssMax, rss)]
    const seconds = Math.round((performance.now() - begin) / 1000)
    console.log(
      `${done} inputs, seeds ${firstSeed} to ${seed - 1}, ${seconds} s: heap ${heap} MB, resident ${rss} MB`,
    )
  }
  console.log(
    `no crash, nothing unhandled; heap ${heapFirst} MB after the first round, at most ${heapMax}; resident at most ${rssMax} MB`,
  )
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) console.log(USAGE)
else {
  // Anything that nobody awaits ends the process: that is what is looked for.
  process.on('unhandledRejection', (error) => {
    console.error('unhandled rejection', error)
    process.exit(1)
  })
  await fuzz(Number(values.runs), Number(values.seed), values.only)
}
