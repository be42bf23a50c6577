import { setTimeout as delay } from 'node:timers/promises'
import type { Converger, Convergers } from '../converge/deps.ts'
import { StopError } from '../errors.ts'
import type { Drift } from '../model/drift.ts'
import { formatKey, type Key, type KeyKind } from '../model/key.ts'
import type { ReconcileNews, ReconcileOptions, ReconcileReport } from '../model/operations.ts'
import { giveTurn, keepTurn, takeTurn } from '../reconcile/only-one.ts'
import type { Walked } from '../reconcile/reconcile.ts'
import { type Daemon, leaveDaemons, listDaemons } from '../staging/daemons.ts'
import { driftFound } from '../telemetry/events.ts'
import { join, stayJoined } from './membership.ts'
import { refuseUnsafeStorage } from './run.ts'
import { refuseOutage } from './sync.ts'
import type { Engine, World } from './world.ts'

/** Between two looks at the queue. */
const POLL_MS = 200
/** Every so manieth of them also looks whether the daemons are still there. */
const LOOKS_FOR_DAEMONS = 10
const TURN_MS = 15_000
/** A daemon may take so long for a change that a message just told of: before that it is no drift. */
const LIVE_MS = 2_000

/** Differences by state. */
type Counts = Record<Drift['state'], number>

/**
 * Compares both sides and, unless it is a dry run, marks what differs and sees it through: by working on the queue itself, or
 * where a daemon runs by waiting for that. Nothing else of staging is written.
 */
export async function* runReconcile(
  world: World,
  daemon: Daemon,
  options: ReconcileOptions,
  signal: AbortSignal,
): AsyncGenerator<ReconcileNews> {
  const engine = await world.engine()
  const { database, reconcile } = engine
  const others = (await listDaemons(database)).length > 0
  const walked: Walked = { tags: 0, builds: 0 }
  const counts: Counts = { drift: 0, queued: 0, parked: 0, held: 0 }
  const walk = reconcile.walk(signal, { tags: options.tags, confirmMs: others ? LIVE_MS : 0 }, walked)
  const report = (ends: Pick<ReconcileReport, 'heldKeys' | 'parkedKeys'>): ReconcileNews => ({
    kind: 'end',
    report: { ...walked, differences: counts, ...ends },
  })

  if (options.dryRun) {
    for await (const drifts of walk) yield* told(drifts, counts)
    yield report({ heldKeys: 0, parkedKeys: 0 })
    return
  }
  await refuseUnsafeStorage(world)
  await takeTurn(database, daemon)
  try {
    await join(database, daemon)
    const crew = new Crew(engine, daemon, signal, others)
    try {
      for await (const drifts of walk) {
        crew.check()
        for (const drift of drifts) if (drift.state === 'drift') driftFound(world.telemetry, drift)
        await crew.mark(drifts.map(({ key }) => key))
        yield* told(drifts, counts)
      }
      await crew.finish()
    } finally {
      await crew.stop()
    }
    yield report(await crew.ends())
  } finally {
    await leaveDaemons(database, daemon.id).catch(() => {})
    await giveTurn(database, daemon.id).catch(() => {})
  }
}

function* told(drifts: readonly Drift[], counts: Counts): Generator<ReconcileNews> {
  for (const drift of drifts) {
    counts[drift.state] += 1
    yield { kind: 'difference', drift }
  }
}

/** Who sees the marks through: a worker of this process, unless a daemon runs. */
class Crew {
  readonly #engine: Engine
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #marked = new Map<string, Key>()
  readonly #held = new Set<string>()
  readonly #daemon: Daemon
  readonly #running: Promise<void>[] = []
  #works = false
  #failure: unknown = null

  constructor(engine: Engine, daemon: Daemon, signal: AbortSignal, others: boolean) {
    this.#engine = engine
    this.#daemon = daemon
    this.#signal = AbortSignal.any([signal, this.#stop.signal])
    this.#start(stayJoined(engine.database, daemon, this.#signal))
    this.#start(this.#keepTurn(daemon.id))
    if (!others) this.#work()
  }

  #work(): void {
    this.#works = true
    const convergers = this.#noting(this.#engine.convergers)
    this.#start(this.#engine.worker({ convergers }).run(this.#signal))
  }

  #start(work: Promise<void>): void {
    const watched = work.catch((error: unknown) => {
      this.#failure ??= error
      this.#stop.abort()
    })
    this.#running.push(watched)
  }

  /** Throws what ended the work, OutageError for a part that stays down. */
  check(): void {
    if (this.#failure !== null) throw this.#failure
    if (this.#signal.aborted) throw new StopError('RECONCILE_STOPPED', 'the reconcile was given up')
    refuseOutage(this.#engine)
  }

  async mark(keys: readonly Key[]): Promise<void> {
    if (keys.length === 0) return
    for (const key of keys) this.#marked.set(formatKey(key), key)
    await this.#engine.queue.mark(keys.map((key) => ({ key, priority: 'sweep' })))
  }

  /** Until what was marked, and what that marked in its turn, has left the queue or is parked. */
  async finish(): Promise<void> {
    if (this.#marked.size === 0) return
    for (let look = 1; ; look += 1) {
      this.check()
      if (look % LOOKS_FOR_DAEMONS === 0) await this.#replaceDaemons()
      const [left] = await this.#engine.database.query<{ busy: boolean }>(
        'reconcile.busy',
        `select exists (select 1 from staging_sync.queue where parked_at is null and priority = 1
                           and (expect is null or waiting_for <> '{}' or due_at <= clock_timestamp() or lease_until is not null)) as busy`,
        [],
        { prepare: false },
      )
      if (left?.busy !== true) return
      await delay(POLL_MS, undefined, { signal: this.#signal }).catch(() => {})
    }
  }

  /** The daemon that was to do the work may have gone. */
  async #replaceDaemons(): Promise<void> {
    if (this.#works) return
    const others = (await listDaemons(this.#engine.database)).filter(({ id }) => id !== this.#daemon.id)
    if (others.length === 0) this.#work()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
  }

  /** How the marked keys ended, as far as they did not end well. */
  async ends(): Promise<Pick<ReconcileReport, 'heldKeys' | 'parkedKeys'>> {
    const keys = [...this.#marked.keys()]
    const rows = await this.#engine.database.query<{ key: string; parked: boolean; held: boolean }>(
      'reconcile.ends',
      `select k.key, exists (select 1 from staging_sync.queue q where q.key = k.key and q.parked_at is not null) as parked,
              exists (select 1 from staging_sync.clash c where c.key = k.key and c.state = 'held' and c.resolved_at is null) as held
         from unnest($1::text[]) as k(key)`,
      [keys],
    )
    for (const { key, held } of rows) if (held) this.#held.add(key)
    return { heldKeys: this.#held.size, parkedKeys: rows.filter(({ parked }) => parked).length }
  }

  /** The same convergers; whether a marked key ended held is noted (the gate for removals leaves no other trace). */
  #noting(convergers: Convergers): Convergers {
    const wrap = (converger: Converger): Converger => ({
      converge: async (key, claim, signal) => {
        const result = await converger.converge(key, claim, signal)
        const text = formatKey(key)
        if (result.outcome.kind === 'held') this.#held.add(text)
        else this.#held.delete(text)
        return result
      },
    })
    const entries = Object.entries(convergers) as [KeyKind, Converger][]
    return Object.fromEntries(
      entries.map(([kind, converger]) => [kind, wrap(converger)]),
    ) as unknown as Convergers
  }

  async #keepTurn(id: string): Promise<void> {
    while (!this.#signal.aborted) {
      await delay(TURN_MS, undefined, { signal: this.#signal }).catch(() => {})
      // It was told once that it runs; what goes wrong here is told by the others.
      await keepTurn(this.#engine.database, id).catch(() => {})
    }
  }
}
