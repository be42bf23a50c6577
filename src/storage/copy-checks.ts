import { asError } from '../errors.ts'
import type { Step } from '../step.ts'
import { fail, ok, type StorageCheck, warn } from './check.ts'
import { checkVolumes } from './checks.ts'
import type { BytesSource } from './copy-source.ts'
import type { Made } from './files.ts'
import { TreeReader } from './files.ts'
import { readFreeBytes } from './room.ts'

export interface CopyCheckOptions {
  /** where bytes come from; null: from nowhere */
  readonly source: BytesSource | null
  /** whether that is prod's package server */
  readonly overHttp: boolean
  readonly stagingTopdir: string
  /** staging's volumes that placement `copy` uses */
  readonly volumes: readonly string[]
  readonly reserveBytes: number
  readonly made: Made
  /** seconds since the snapshot was taken; null: nothing tells; undefined: no rule is `in-place` */
  readonly snapshotAge: number | null | undefined
  readonly step: Step
}

const DAY_SECONDS = 86_400

/** What placements `copy` and `in-place` need, one line each. Reads only; never throws for what it finds. */
export async function checkCopies(options: CopyCheckOptions): Promise<StorageCheck[]> {
  const { stagingTopdir, volumes, step } = options
  return [
    await checkSource(options),
    await checkRoom(options),
    await checkMade(options),
    ...(await checkVolumes({ stagingTopdir, volumes, step })),
    ...checkSnapshot(options.snapshotAge),
  ]
}

async function checkSource({ source, overHttp }: CopyCheckOptions): Promise<StorageCheck> {
  const name = overHttp ? 'prod.topurl' : 'copy source'
  if (source === null) return fail(name, 'neither prod.topdir nor prod.topurl is set', 'set one of them')
  try {
    await source.probe()
    return ok(name, `${source.shown} answers`)
  } catch (error) {
    const hint = overHttp
      ? "give the address under which prod serves `packages` (Koji's `topurl`); see prod.ca_file too"
      : 'mount prod there, read-only'
    return fail(name, asError(error).message, hint)
  }
}

/** That nothing can be copied now is no reason not to start: everything else can be done. */
async function checkRoom({ stagingTopdir, reserveBytes, step }: CopyCheckOptions): Promise<StorageCheck> {
  const name = 'room for copies'
  const free = await readFreeBytes(stagingTopdir, step)
  if (free === null) return fail(name, `${stagingTopdir} cannot be looked at`, "mount staging's tree there")
  const text = `${gibibytes(free)} free, ${gibibytes(reserveBytes)} of it stay so (copy.reserve_bytes)`
  if (free < reserveBytes)
    return warn(name, text, 'copying waits until there is room: free some, or see `prune`')
  if (free < 2 * reserveBytes) return warn(name, text, 'copying will soon wait for room')
  return ok(name, text)
}

/** CAP_CHOWN is bit 0 of CapEff (capabilities(7)). */
async function checkMade({ made, step }: CopyCheckOptions): Promise<StorageCheck> {
  const name = 'files.uid'
  const own = process.geteuid?.() ?? 0
  if (made.uid === null) return ok(name, 'not set: what is made belongs to the owner of the directory above')
  if (made.uid === own) return ok(name, `what is made belongs to user id ${own}, as we do`)
  const reader = new TreeReader({ side: 'staging', step })
  const status = await reader.read('/proc/self/status').catch(() => '')
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  if (capabilities !== undefined ? (BigInt(`0x${capabilities}`) & 1n) === 1n : own === 0)
    return ok(name, `what is made is given to user id ${made.uid}`)
  return fail(name, `is ${made.uid}, we are ${own}`, `run as user id ${made.uid}, or with CAP_CHOWN`)
}

function checkSnapshot(age: number | null | undefined): StorageCheck[] {
  if (age === undefined) return []
  const name = 'snapshot'
  if (age === null)
    return [
      warn(
        name,
        'nothing tells how old it is',
        'set in_place.stamp to a file that is touched when it is taken',
      ),
    ]
  const days = age / DAY_SECONDS
  const text = `${days.toFixed(1)} days old`
  if (days > 30) return [warn(name, text, 'all that is younger is fetched: take it anew (refresh-snapshot)')]
  return [ok(name, text)]
}

function gibibytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GiB`
}
