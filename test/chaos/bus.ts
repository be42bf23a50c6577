import { seeded } from '../e2e/gates.ts'
import type { BusPublisher } from '../sim/bus-publisher.ts'
import type { Announcement } from '../sim/world/transaction.ts'

/** A bus that loses, doubles, delays and reorders what prod announces, by its seed. */
export class BadBus {
  readonly #bus: BusPublisher
  readonly #random: () => number
  readonly #drop: number
  readonly #late: Announcement[] = []

  constructor(bus: BusPublisher, seed: number, drop: number) {
    this.#bus = bus
    this.#random = seeded(seed)
    this.#drop = drop
  }

  async announce(all: readonly Announcement[]): Promise<void> {
    for (const announcement of all) {
      const [lost, fate] = [this.#random() < this.#drop, this.#random()]
      if (lost) continue
      if (fate < 0.25) this.#late.push(announcement)
      else await this.#send(announcement, fate > 0.85 ? 2 : 1)
    }
  }

  /** Delivers what was delayed, in another order. */
  async deliver(): Promise<void> {
    while (this.#late.length > 0) {
      const at = Math.floor(this.#random() * this.#late.length)
      const [announcement] = this.#late.splice(at, 1)
      await this.#send(announcement as Announcement, 1)
    }
  }

  async #send(announcement: Announcement, times: number): Promise<void> {
    const frames = this.#bus.frames(announcement)
    for (let time = 0; time < times; time += 1) await this.#bus.sendRaw(frames)
  }
}

/** A message that nobody in prod has sent: right in form, wrong in what it says. */
export function forged(random: () => number, build: number, tag: string): Announcement {
  const nvr = { name: 'bash', version: '1', release: String(Math.floor(random() * 6)) }
  const owner = { owner: 'nobody' }
  if (random() < 0.4) {
    const states = { attribute: 'state', old: 1, new: Math.floor(random() * 5) }
    return {
      topic: 'build.state.change',
      body: { ...states, build_id: build, ...nvr, epoch: null, task_id: null, request: null, ...owner },
    }
  }
  const tagging = { tag, tag_id: Math.floor(random() * 9), build_id: build, ...nvr, user: 'admin', ...owner }
  return { topic: random() < 0.5 ? 'tag' : 'untag', body: tagging }
}
