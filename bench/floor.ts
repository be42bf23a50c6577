import pg from 'pg'
import { HUB_CONCURRENCY } from './daemon.ts'
import { type RawCall, RawHub, requestOf } from './raw-hub.ts'
import type { FloorRows } from './sample-rows.ts'
import { KINDS, type Kind, type Sample } from './samples.ts'
import { quantile } from './statistics.ts'
import type { BenchWorld } from './world.ts'

const TRIES = 30

/** The least that makes a change of prod one of staging: bytes from the hub, rows into a database. Shares no code with `src`. */
export class Floor {
  readonly #hub: RawHub
  readonly #clients: pg.Pool
  /** Which of a sample's ways to read is the fastest. */
  readonly #way = new Map<Kind, number>()

  private constructor(hub: RawHub, clients: pg.Pool) {
    this.#hub = hub
    this.#clients = clients
  }

  static async open(world: BenchWorld): Promise<Floor> {
    const clients = new pg.Pool({ connectionString: world.floorUrl, max: HUB_CONCURRENCY })
    // The statement tells.
    clients.on('error', () => {})
    // Connected beforehand: the product is, too.
    const open = await Promise.all(Array.from({ length: HUB_CONCURRENCY }, () => clients.connect()))
    for (const client of open) client.release()
    return new Floor(new RawHub(world.prod.hubUrl, HUB_CONCURRENCY), clients)
  }

  /** Tries the ways in turn, and keeps the one with the lowest median. */
  async chooseReads(samples: readonly Sample[]): Promise<void> {
    for (const kind of KINDS) {
      const of = samples.filter((sample) => sample.kind === kind).slice(0, TRIES)
      const times: number[][] = (of[0]?.reads ?? []).map(() => [])
      for (const { reads } of of) {
        for (const [way, requests] of reads.entries()) {
          const begun = performance.now()
          await this.#read(requests)
          times[way]?.push(performance.now() - begun)
        }
      }
      const medians = times.map((all) => quantile(all, 0.5))
      this.#way.set(kind, medians.indexOf(Math.min(...medians)))
    }
  }

  /** Reads what the sample's change shows, and writes its rows. */
  async apply(sample: Sample): Promise<void> {
    await this.#read(sample.reads[this.#way.get(sample.kind) ?? 0] ?? [])
    await this.write(sample.writes)
  }

  /** Writes rows without reading anything: what the product's side has from before. */
  async write(rows: FloorRows): Promise<void> {
    await this.#clients.query(rows)
  }

  async #read(requests: readonly (readonly RawCall[])[]): Promise<void> {
    for (const calls of requests) await this.#hub.post(requestOf(calls))
  }

  async close(): Promise<void> {
    this.#hub.close()
    await this.#clients.end()
  }
}
