/** Measures the product against floors, prints a table and writes it down. See `arguments.ts`. */
import { join } from 'node:path'
import { startBus } from '../test/sim/bus-publisher.ts'
import { type Arguments, readArguments, USAGE } from './arguments.ts'
import { measureBesideNaive } from './beside-naive.ts'
import { measureBurst } from './burst.ts'
import { measureCalls } from './calls.ts'
import { measureCatchUp } from './catch-up-measure.ts'
import { measureCopy } from './copy.ts'
import { startDaemon } from './daemon.ts'
import { measureDecoder } from './decoder.ts'
import { measureDrift } from './drift.ts'
import { measureLatency } from './latency.ts'
import { measureManyKeys } from './many-keys.ts'
import { measurePlacing } from './placing.ts'
import { measureQueue } from './queue.ts'
import { measureRates } from './rates.ts'
import { measureReconcile } from './reconcile-measure.ts'
import { machine, printResults, type Result, writeResults } from './results.ts'
import { severalTimes } from './runs.ts'
import { measureSeed } from './seed.ts'
import { measureVerify } from './verify.ts'
import { openBenchWorld } from './world.ts'

async function measure(args: Arguments): Promise<Result[]> {
  const has = (part: Arguments['parts'][number]): boolean => args.parts.includes(part)
  const results: Result[] = []
  if (has('decoder')) results.push(...(await measureDecoder()))
  if (has('verify')) results.push(...(await measureVerify()))
  if (has('queue')) results.push(...(await measureQueue()))
  if (has('copy')) results.push(...(await measureCopy()), ...(await measurePlacing()))
  if (has('reconcile'))
    results.push(
      ...(await measureReconcile({ ...args, builds: 20_000, beside: null, parts: ['empty', 'snapshot'] })),
    )
  if (has('reconcile-large'))
    results.push(
      ...(await measureReconcile({ ...args, builds: 200_000, beside: 20_000, parts: ['empty', 'snapshot'] })),
    )
  if (has('catch-up')) results.push(...(await measureCatchUp({ ...args, builds: 20_000, rows: 100_000 })))
  if (has('keys')) results.push(...(await measureManyKeys()))
  if (has('rates')) results.push(...(await measureRates(args)))
  if (has('naive')) results.push(...(await measureBesideNaive(args)))
  if (has('drift') || has('drift-large'))
    results.push(...(await measureDrift({ large: has('drift-large'), profileDir: args.profileDir })))
  if (has('seed')) results.push(...(await measureSeed({ large: false })))
  if (has('seed-large')) results.push(...(await measureSeed({ large: true })))
  if (!has('calls') && !has('latency') && !has('burst')) return results
  const packages = Math.max(args.messages / 10, args.samples)
  const world = await openBenchWorld({ real: args.real, packages })
  // Ctrl-C: the world ends, and with it whatever is being measured fails.
  const interrupted = (): void => void world.close().finally(() => process.exit(130))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted)
  try {
    if (has('calls')) results.push(...(await measureCalls(world)))
    if (!has('latency') && !has('burst')) return results
    const bus = await startBus()
    const daemon = await startDaemon(world, { endpoint: bus.endpoint, profileDir: args.profileDir })
    try {
      if (has('latency')) results.push(...(await measureLatency(world, daemon, bus, args.samples)))
      if (has('burst')) results.push(...(await measureBurst(world, daemon, bus, args.messages)))
    } finally {
      await daemon.stop()
      bus.close()
    }
  } finally {
    await world.close()
  }
  return results
}

const args = readArguments(process.argv.slice(2), join(import.meta.dirname, 'results.json'))
if (args === 'help') {
  console.log(USAGE)
} else {
  console.log(`${args.real ? 'a real hub' : 'the simulated hub'}; ${machine()}`)
  const results = await severalTimes(args.runs, () => measure(args))
  printResults(results)
  if (!args.real) console.log("no real hub: the simulator's calls are not compared with its (--real)")
  writeResults(args.output, results)
}
