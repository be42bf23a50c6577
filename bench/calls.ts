import { named, type RawCall, RawHub, requestOf } from './raw-hub.ts'
import { type Result, result } from './results.ts'
import { makeBuild } from './samples.ts'
import { quantile } from './statistics.ts'
import type { BenchWorld } from './world.ts'

const ROUNDS = 40
/** A simulator that is slower than the real hub would hide our own time behind its; a tenth is what two busy cores make of equal ones. */
const GOAL = 1.1

/** Milliseconds of a call to the simulated hub beside those of a real one on the same database, in turn. */
export async function measureCalls(world: BenchWorld): Promise<Result[]> {
  const { id, rpms } = await makeBuild(world, 'calls', 0)
  const simulator = new RawHub(world.simulatorUrl, 1)
  const real = world.real ? new RawHub(world.prod.hubUrl, 1) : null
  const results: Result[] = []
  for (const [name, calls] of requestsOf(world, id, rpms)) {
    const body = requestOf(calls)
    const times: { simulator: number[]; real: number[] } = { simulator: [], real: [] }
    for (let i = 0; i < ROUNDS; i += 1) {
      times.simulator.push(await timeOf(simulator, body))
      if (real !== null) times.real.push(await timeOf(real, body))
    }
    const value = quantile(times.simulator, 0.5)
    if (real === null) console.log(`simulator, ${name}: ${value.toFixed(2)} ms`)
    else
      results.push(
        result(`simulator, ${name}`, 'ms', { value, floor: quantile(times.real, 0.5), goal: GOAL }),
      )
  }
  simulator.close()
  real?.close()
  return results
}

async function timeOf(hub: RawHub, body: Buffer): Promise<number> {
  const begun = performance.now()
  await hub.post(body)
  return performance.now() - begun
}

function requestsOf(world: BenchWorld, build: number, rpms: readonly number[]): [string, RawCall[]][] {
  const { content } = world
  const [listed] = content.packages
  const rpm = rpms[0] as number
  const tag = content.liveTagId
  const history = (index: number) =>
    named({ tables: ['tag_listing'], tag, package: content.packages[index]?.id as number, active: true })
  return [
    ['getAPIVersion', [['getAPIVersion']]],
    ['getBuild', [['getBuild', build]]],
    ['listRPMs of 6', [['listRPMs', build]]],
    ['listArchives', [['listArchives', build]]],
    ['queryRPMSigs', [['queryRPMSigs', rpm]]],
    ['getRPMChecksums', [['getRPMChecksums', rpm, named({ cacheonly: true })]]],
    ['getTag', [['getTag', tag]]],
    ['getPackage', [['getPackage', listed?.name as string]]],
    ['listTagged of a package', [['listTagged', tag, named({ package: listed?.name as string })]]],
    ['queryHistory of a package', [['queryHistory', history(0)]]],
    [
      'multicall of 50 queryHistory',
      Array.from({ length: 50 }, (_, i): RawCall => ['queryHistory', history(i)]),
    ],
  ]
}
