import type { LogLine } from '../e2e/log-lines.ts'
import type { E2eWorld } from '../e2e/world.ts'
import { type Command, Crew } from './crew.ts'
import type { Build } from './mortal.ts'

/** Processes of ours that nothing befalls: they lay the ground, end what is open, and are what a verdict asks. */
export class Calm {
  readonly world: E2eWorld
  readonly #crew: Crew

  constructor(
    world: E2eWorld,
    { file, build }: { readonly file: string; readonly build?: Build | undefined },
  ) {
    this.world = world
    this.#crew = new Crew({ file, build, set: ['log.level=info', 'prod.timeout_seconds=60'], program: null })
  }

  /** Runs to its end. What it said. */
  async command(name: Command): Promise<readonly LogLine[]> {
    await this.aMinuteLater()
    for (let time = 0; time < 3; time += 1) {
      const how = await this.#crew.command(name, Number.POSITIVE_INFINITY)
      this.#complain()
      if (how === 'done') return this.#crew.said
    }
    throw new Error(`${name} fails without any trouble`)
  }

  /** A daemon does what is queued; what the scrub marks is not seen through by itself. */
  workOff(): Promise<void> {
    return this.withDaemon(() => this.world.settled())
  }

  async withDaemon<T>(work: () => Promise<T>): Promise<T> {
    await this.aMinuteLater()
    const daemon = await this.#crew.startDaemon()
    try {
      return await work()
    } finally {
      if (daemon !== null) await this.#crew.end(daemon, 'stop')
      this.#complain()
    }
  }

  /** What the dead held is free. */
  async aMinuteLater(): Promise<void> {
    const { world } = this
    await world.sql(
      `update staging_sync.queue set lease_until = clock_timestamp() where lease_until is not null`,
    )
    for (const table of ['reconcile_run', 'daemon', 'scrub'])
      await world.sql(`update staging_sync.${table} set seen = seen - interval '2 minutes'`)
    await world.sql(`update staging_sync.placement set changed_at = changed_at - interval '3 minutes'`)
  }

  #complain(): void {
    if (this.#crew.complaints.length > 0) throw new Error(this.#crew.complaints.join('\n'))
  }
}
