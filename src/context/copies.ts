import { readFileSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../errors.ts'
import { compilePatterns } from '../model/pattern.ts'
import { volumesOf } from '../operations/placements.ts'
import { snapshotAge } from '../operations/snapshot.ts'
import type { Step } from '../step.ts'
import type { StorageCheck } from '../storage/check.ts'
import { checkCopies } from '../storage/copy-checks.ts'
import { Transfers } from '../storage/copy-limits.ts'
import { MountSource } from '../storage/copy-mount.ts'
import { CopyPlacement, type CopyPlacementOptions } from '../storage/copy-placement.ts'
import { SteppedCopier, ThreadCrew } from '../storage/crew.ts'
import { PackageServer } from '../storage/fetch-server.ts'
import { HttpSource } from '../storage/fetch-source.ts'
import { InPlacePlacement } from '../storage/in-place.ts'
import type { Placement } from '../storage/placement.ts'
import { mayUseThreads } from './threads.ts'

/** Waits before a transfer that broke off is taken up again. */
const RETRY_DELAYS_MS = [500, 2_000, 5_000, 15_000]

/** They mostly wait for the disk, or for prod's file server. */
const MAX_THREADS = 4

/** Told how to end what was opened. */
export type OnOpened = (close: () => Promise<void>) => void

/** The placements that bring bytes, where they can: from the mount, else over HTTP. Throws ConfigError CA_FILE_UNREADABLE. */
export function createCopies(
  config: Config,
  step: Step,
  onWritten: NonNullable<CopyPlacementOptions['onWritten']>,
  onOpened: OnOpened,
): Placement[] {
  const { prod, staging, copy } = config
  const source = createSource(config, step, onOpened)
  if (source === null) return []
  const { arches, signedKeys, sigcache, logs, fsync, reserveBytes, fileMode } = copy
  const options = {
    source,
    stagingTopdir: staging.topdir,
    linkTarget: prod.linkTarget ?? prod.topdir,
    take: { arches: arches.includes('*') ? null : compilePatterns(arches), signedKeys, sigcache, logs },
    transfers: new Transfers({ bytesPerSecond: copy.bytesPerSecond, openTransfers: copy.openTransfers }),
    copier: mayUseThreads(step)
      ? new ThreadCrew(Math.min(MAX_THREADS, copy.openTransfers))
      : new SteppedCopier(step),
    sharing: { reflink: copy.reflink, hardlink: copy.hardlink },
    fsync,
    reserveBytes,
    fileMode,
    made: config.files,
    onWritten,
    step,
  }
  return [new CopyPlacement(options), new InPlacePlacement(options)]
}

/** What `doctor` says of them; nothing where no rule brings bytes. */
export async function checkCopying(config: Config, step: Step): Promise<StorageCheck[]> {
  const modes = new Set(config.placement.map(({ mode }) => mode))
  if (!modes.has('copy') && !modes.has('in-place')) return []
  const closers: (() => Promise<void>)[] = []
  return checkCopies({
    source: createSource(config, step, (close) => closers.push(close)),
    overHttp: config.prod.topdir === null,
    stagingTopdir: config.staging.topdir,
    volumes: modes.has('copy') ? volumesOf('copy', config.prod.volumes) : [],
    reserveBytes: config.copy.reserveBytes,
    made: config.files,
    snapshotAge: modes.has('in-place') ? await snapshotAge(config) : undefined,
    step,
  }).finally(() => Promise.all(closers.map((close) => close())))
}

function createSource(
  { prod, copy }: Config,
  step: Step,
  onOpened: OnOpened,
): MountSource | HttpSource | null {
  if (prod.topdir !== null) return new MountSource({ prodTopdir: prod.topdir, step })
  if (prod.topurl === null) return null
  const server = new PackageServer({
    url: prod.topurl,
    ca: prod.caFile === null ? undefined : readCa(prod.caFile),
    connections: copy.openTransfers,
    timeoutMs: prod.timeoutMs,
    retryDelaysMs: RETRY_DELAYS_MS,
    userAgent: 'koji-staging-sync',
    step,
  })
  onOpened(() => server.destroy())
  return new HttpSource(server)
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError('CA_FILE_UNREADABLE', `prod.ca_file ${path} cannot be read`, { cause: error })
  }
}
