import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parseTypedKey } from '../../src/model/key.ts'
import { Calm } from '../chaos/calm.ts'
import { keepBooks } from '../chaos/database-faults.ts'
import { filesOff, linksStand } from '../chaos/files.ts'
import type { Work } from '../chaos/living.ts'
import { Mortal } from '../chaos/mortal.ts'
import { healed, written } from '../chaos/verdict.ts'
import { orphanRows, sequencesBehind } from '../chaos/verdict-rows.ts'
import { type E2eWorld, e2eWorld } from '../e2e/world.ts'
import { compareHubs, describeDifference } from '../sim/compare.ts'
import { isEffect, isMark } from './effects.ts'
import { type Operation, shared } from './instances.ts'

const CONFIG = `
[scope]
builds = "all"
[copy]
fsync = false
reserve_bytes = 0
[prod.volumes]
DEFAULT = "prod"
archive = "prod-archive"
`

/** What an operation was cut off at. */
export interface Cut {
  readonly name: string
  /** side effects of one that is not cut off */
  readonly effects: number
  /** how often it was cut off: before an effect, which is after the one before */
  readonly cuts: number
  readonly complaints: readonly string[]
}

/** Which of an operation's effects it is cut off at: all, or every so manieth. */
export type Pick = (effects: number) => readonly number[]

/** Two Kojis in which one operation after the other is cut off at each of its effects. */
export class CrashGround {
  readonly world: E2eWorld
  readonly #calm: Calm

  static async open(): Promise<CrashGround> {
    const world = await e2eWorld({ config: CONFIG })
    try {
      await keepBooks(world)
      await shared(world.prod)
      const ground = new CrashGround(world, world.file)
      await mkdir(join(world.root, 'prod', 'vol', 'archive', 'packages'), { recursive: true })
      await ground.#calm.command('reconcile')
      return ground
    } catch (error) {
      await world.close()
      throw error
    }
  }

  private constructor(world: E2eWorld, file: string) {
    this.world = world
    this.#calm = new Calm(world, { file })
  }

  /** The same Kojis under another configuration. */
  under(file: string): CrashGround {
    return new CrashGround(this.world, file)
  }

  close(): Promise<void> {
    return this.world.close()
  }

  /**
   * Operations on keys: an instance of each for each cut, all of them at once in prod, one after the other in staging. What only the
   * first of a kind needs (names that are new to staging) is made by one that is not counted.
   */
  async keys(operations: readonly Operation[], pick: Pick, file = this.world.file): Promise<Cut[]> {
    const named = operations.map((operation) => ({
      operation,
      slug: operation.name.replaceAll(/[^a-z]+/g, '-'),
    }))
    const samples = await this.#make(
      named.flatMap(({ operation, slug }) =>
        ['first', 'whole'].map((n) => [operation, `${slug}-${n}`] as const),
      ),
    )
    const effects: string[][] = []
    for (const { change, keys } of samples) {
      await change()
      effects.push(await this.#run(sync(await keys()), file, null))
    }
    const plans = named.map(({ operation, slug }, i) => {
      const steps = effects[2 * i + 1] as string[]
      return { operation, slug, steps, at: pick(steps.length) }
    })
    const instances = await this.#make(
      plans.flatMap(({ operation, slug, at }) => at.map((point) => [operation, `${slug}-${point}`] as const)),
    )
    for (const { change } of instances) await change()
    const cuts: Cut[] = []
    for (const { operation, steps, at } of plans) {
      const complaints: string[] = []
      for (const point of at) {
        await this.#run(sync(await instances.shift()?.keys()), file, point)
        for (const text of await linksStand(this.world))
          complaints.push(`after a crash at ${steps[point]}: ${text}`)
      }
      cuts.push({ name: operation.name, effects: steps.length, cuts: at.length, complaints })
    }
    return cuts
  }

  /** An operation that takes what it finds: `make` gives it something each time. */
  async work(name: string, work: Work, make: (n: number) => Promise<unknown>, pick: Pick): Promise<Cut> {
    await make(0)
    const steps = await this.#run(work, this.world.file, null, () => true)
    const at = pick(steps.length)
    const complaints: string[] = []
    for (const point of at) {
      await make(point + 1)
      await this.#calm.aMinuteLater()
      await this.#run(work, this.world.file, point, () => true)
      for (const text of await linksStand(this.world))
        complaints.push(`after a crash at ${steps[point]}: ${text}`)
    }
    return { name, effects: steps.length, cuts: at.length, complaints }
  }

  /** A start heals: then both hubs answer alike, and nothing is left of what was cut off. */
  async judge({ scrub = true } = {}): Promise<string[]> {
    const { world } = this
    await this.#calm.command('catch-up')
    await this.#calm.workOff()
    const open = await healed(this.#calm)
    await this.#calm.command('reconcile')
    if (scrub) {
      await this.#calm.command('scrub')
      await this.#calm.workOff()
    }
    const { differences } = await compareHubs({
      prod: world.prodHub.url,
      staging: world.stagingHub.url,
      builds: 'all',
    })
    return [
      ...open,
      ...differences.map(describeDifference),
      ...(await filesOff(world)),
      ...(await orphanRows(world)),
      ...(await sequencesBehind(world)),
      ...(await written(this.#calm)),
    ]
  }

  /** Instances that stand in staging as they are before. */
  async #make(
    named: readonly (readonly [Operation, string])[],
  ): Promise<{ change: () => Promise<unknown>; keys: () => Promise<readonly string[]> }[]> {
    const { prod } = this.world
    const made: { change: () => Promise<unknown>; keys: () => Promise<readonly string[]> }[] = []
    for (const [operation, n] of named) {
      const before = await operation.before?.(prod, n)
      made.push({
        change: () => operation.change(prod, n, before as never),
        keys: () => operation.keys(n, prod),
      })
    }
    await this.#calm.command('reconcile')
    return made
  }

  /** Runs it, cut off before its so manieth effect; the effects that it came to. */
  async #run(
    work: Work,
    file: string,
    point: number | null,
    begins: (step: string) => boolean = isMark,
  ): Promise<string[]> {
    const effects: string[] = []
    let begun = false
    const diesAt = (step: string): boolean => {
      begun ||= begins(step)
      if (!begun || !isEffect(step)) return false
      effects.push(step)
      return point !== null && effects.length > point
    }
    const mortal = await Mortal.start({
      file,
      set: ['log.level=info', 'prod.timeout_seconds=60'],
      work,
      diesAt,
    })
    const error = await mortal.ended
    if (error !== null) throw error
    return effects
  }
}

const sync =
  (typed: readonly string[] = []): Work =>
  async (operations, signal) => {
    for await (const ended of operations.sync(typed.map(parseTypedKey), signal))
      if (ended.outcome === 'failed' || ended.outcome === 'parked') throw new Error(String(ended.reason))
  }
