import { asError, SyncError } from '../errors.ts'
import type { Activity } from '../model/activity.ts'
import type { PlacementUse } from '../model/placement-use.ts'
import type { QueueSample } from '../model/queue-sample.ts'
import type { QueueCounts } from '../queue/queue.ts'
import { readSample } from '../queue/sample.ts'
import { recordActivity } from '../staging/activity.ts'
import { countClashes } from '../staging/clashes.ts'
import { listCursors } from '../staging/cursor.ts'
import { listDaemons } from '../staging/daemons.ts'
import { readPlacementUse } from '../staging/placement-use.ts'
import { readLastReconcile } from '../staging/reconciled.ts'
import type { Telemetry } from '../telemetry/events.ts'
import {
  clashesMeasured,
  cursorsMeasured,
  daemonsMeasured,
  placementsMeasured,
  queueMeasured,
  reconcileMeasured,
} from '../telemetry/measured.ts'
import { queueCounted } from '../telemetry/queue-events.ts'
import { statusTold } from '../telemetry/service-events.ts'
import { statusLine } from '../telemetry/status-line.ts'
import type { Engine } from './world.ts'

/** All records are read: not often. */
const PLACEMENTS_MS = 600_000

const NOTHING: QueueCounts = { leasesExpired: 0, expectationsExpired: 0, expectationsDropped: 0, parkings: 0 }

/** What a running daemon reads of the database for its metrics, and writes for the page of all: what it did lately itself. */
export class Measures {
  readonly #engine: Pick<Engine, 'database' | 'breakers' | 'queue'>
  readonly #telemetry: Telemetry
  readonly #daemonId: string
  #placements: { readonly atMs: number; readonly uses: readonly PlacementUse[] } | null = null
  #counted: QueueCounts = NOTHING
  #recorded = ''

  constructor(options: {
    readonly engine: Pick<Engine, 'database' | 'breakers' | 'queue'>
    readonly telemetry: Telemetry
    readonly daemonId: string
  }) {
    this.#engine = options.engine
    this.#telemetry = options.telemetry
    this.#daemonId = options.daemonId
  }

  /** As counted last, some minutes ago; undefined: not yet. */
  get placements(): readonly PlacementUse[] | undefined {
    return this.#placements?.uses
  }

  /** Throws the database's errors. */
  async measure(): Promise<void> {
    const telemetry = this.#telemetry
    const { database } = this.#engine
    const queue = await readSample(database).catch((error: unknown) => {
      statusTold(telemetry, `cannot read the queue: ${asError(error).message}`)
      throw error
    })
    queueMeasured(telemetry, queue)
    const { counted } = this.#engine.queue
    queueCounted(telemetry, counted, this.#counted)
    this.#counted = counted
    const clashes = await countClashes(database)
    clashesMeasured(telemetry, clashes)
    this.#tellStatus(queue, clashes.get('held') ?? 0)
    cursorsMeasured(telemetry, await listCursors(database))
    daemonsMeasured(telemetry, (await listDaemons(database)).length)
    const reconciled = await readLastReconcile(database)
    if (reconciled !== null) reconcileMeasured(telemetry, reconciled)
    await this.record()
    await this.#countPlacements()
  }

  /** Lets all daemons' pages, and `status`, see what this one did. Writes nothing where nothing was done. */
  async record(): Promise<void> {
    const activity = this.#telemetry.recent?.activity()
    if (activity === undefined) return
    const now = JSON.stringify(activity)
    if (now === this.#recorded || (this.#recorded === '' && isEmpty(activity))) return
    await recordActivity(this.#engine.database, this.#daemonId, activity)
    this.#recorded = now
  }

  /** To whoever started the daemon. */
  #tellStatus(queue: QueueSample, heldClashes: number): void {
    const minutes = this.#telemetry.recent?.activity().minutes ?? []
    const down = this.#engine.breakers
      .map((one) => one.state())
      .filter(({ openForMs }) => openForMs > 0)
      .map(({ part }) => part)
    statusTold(this.#telemetry, statusLine({ queue, minutes, nowMs: Date.now(), heldClashes, down }))
  }

  async #countPlacements(): Promise<void> {
    const nowMs = performance.now()
    if (this.#placements !== null && nowMs - this.#placements.atMs < PLACEMENTS_MS) return
    try {
      const uses = await readPlacementUse(this.#engine.database)
      this.#placements = { atMs: nowMs, uses }
      placementsMeasured(this.#telemetry, uses)
    } catch (error) {
      if (!(error instanceof SyncError)) throw error
    }
  }
}

function isEmpty({ minutes, things }: Activity): boolean {
  return minutes.length === 0 && things.length === 0
}
