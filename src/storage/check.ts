import type { Step } from '../step.ts'
import type { TreeReader } from './files.ts'
import type { Mount } from './mounts.ts'

/** One precondition of the trees. `fail`: nothing may start. `hint` says what to do; empty when all is well. */
export interface StorageCheck {
  readonly name: string
  readonly level: 'ok' | 'warn' | 'fail'
  readonly text: string
  readonly hint: string
}

export interface StorageCheckOptions {
  /** null: prod is not mounted here; links cannot be placed */
  readonly prodTopdir: string | null
  readonly linkTarget: string | null
  readonly stagingTopdir: string
  /** staging's volumes that placement `volume` uses */
  readonly stagingVolumes: readonly string[]
  readonly allowWritableMount: boolean
  readonly linkOwner?: 'target' | 'any'
  readonly step: Step
  /** path of the list of mounts; a test gives its own */
  readonly mountinfoPath?: string
  /** the same of the host, which only root may read */
  readonly hostMountinfoPath?: string
}

export interface CheckContext extends StorageCheckOptions {
  readonly prod: TreeReader
  readonly staging: TreeReader
  /** null: unknown here */
  readonly mounts: readonly Mount[] | null
  /** as the host's first process sees them; null: unknown here */
  readonly hostMounts: readonly Mount[] | null
}

export function ok(name: string, text: string): StorageCheck {
  return { name, level: 'ok', text, hint: '' }
}

export function warn(name: string, text: string, hint: string): StorageCheck {
  return { name, level: 'warn', text, hint }
}

export function fail(name: string, text: string, hint: string): StorageCheck {
  return { name, level: 'fail', text, hint }
}
