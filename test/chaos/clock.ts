import type { ProdWorld } from '../sim/prod-world.ts'

const REAL = Date.now

/** Clocks that people set: this host's wall clock, and that by which a Koji dates its events. */
export class Clock {
  #offsetMs = 0
  readonly #kojis = new Set<ProdWorld>()

  /** The monotonic clock goes on: it is never set. */
  step(ms: number): void {
    this.#offsetMs += ms
    Date.now = () => REAL.call(Date) + this.#offsetMs
  }

  async stepKoji(koji: ProdWorld, ms: number): Promise<void> {
    this.#kojis.add(koji)
    await set(koji, ms)
  }

  async back(): Promise<void> {
    Date.now = REAL
    for (const koji of this.#kojis) await set(koji, 0)
    this.#kojis.clear()
  }
}

async function set(koji: ProdWorld, ms: number): Promise<void> {
  await koji.rows(`create or replace function get_event() returns integer language sql as $$
    insert into events (time) values (clock_timestamp() + interval '${ms} milliseconds') returning id $$`)
}
