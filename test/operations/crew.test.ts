import { expect, it, onTestFinished } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { createWorld } from '../../src/context.ts'
import type { Key } from '../../src/model/key.ts'
import { Crew } from '../../src/operations/crew.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { Metrics } from '../../src/telemetry/metrics.ts'
import { reconcileWorld } from '../reconcile/world.ts'

it('waits for a key of its own that somebody made urgent, and not for what else is live', async () => {
  const at = await reconcileWorld()
  onTestFinished(() => at.close())
  const telemetry = {
    log: createLog({ level: 'error', form: 'json', write: () => {} }),
    metrics: new Metrics({ version: 'test', processMetrics: false }),
  }
  const world = createWorld({ config: loadConfig({ file: at.file, env: {}, assignments: [] }), telemetry })
  onTestFinished(() => world.destroy())
  const engine = await world.engine()
  const daemon = { id: 'crew-test', host: 'here', pid: 1, digest: world.digest }
  await engine.membership.join(daemon)
  const own: Key = { kind: 'build', buildId: 1 }
  const [claim] = await engine.queue.markAndClaim([{ key: own, priority: 'live' }])
  await engine.queue.markAndClaim([{ key: { kind: 'build', buildId: 2 }, priority: 'live' }])
  if (claim === undefined) throw new Error('no claim')
  const crew = new Crew(engine, daemon, new AbortController().signal, true)
  crew.follow([own])
  const looks: number[] = []
  await crew.finish((left) => {
    looks.push(left)
    if (left > 0) void engine.queue.finish([{ claim, outcome: { kind: 'unchanged' } }])
  })
  await crew.stop()
  expect(looks[0]).toBe(1)
  expect(looks.at(-1)).toBe(0)
})
