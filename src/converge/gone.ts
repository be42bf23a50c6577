import { AgainError, SafetyError } from '../errors.ts'
import { queryHistory } from '../hub/calls-history.ts'
import { getBuildTarget, getExternalRepo } from '../hub/calls-lookup.ts'
import { getTag } from '../hub/calls-tag.ts'
import { HubFault } from '../hub/fault.ts'
import type { Hub, ReadOptions } from '../hub/hub.ts'
import type { NamedRowKind } from './named-row.ts'

/** What prod says of a thing whose settings it does not show. */
export interface Gone {
  /** its name now: the identity row outlives the settings (kojihub.py _delete_tag) */
  readonly name: string
  /** when its settings were revoked: the proof of its deletion */
  readonly revokeEvent: number
}

/** GenericError: what the hub says to a filter by an id that its table does not have (kojihub.py lookup_name). */
const NO_SUCH_ID = 1000

/** The hub's fault for an id that never existed. Anything else that was thrown is something else. */
export function isNoSuchId(error: unknown): boolean {
  return error instanceof HubFault && error.faultCode === NO_SUCH_ID
}

/**
 * For a read that faulted: null, as for a thing that prod does not show, if it is the id that prod never had. Any other
 * fault is thrown: it must not pass for a deletion.
 */
export async function nullIfNever(
  error: unknown,
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<null> {
  if (isNoSuchId(error) && (await readShown(hub, kind, id, options)) === null) return null
  throw error
}

/**
 * Of a thing that prod does not show: how it is called and when it was deleted. `never`: prod has no such id, nor ever
 * had (Koji deletes no identity rows). null: it has the id, but there never were settings.
 *
 * Throws AgainError HUB_TORN when the settings are there after all.
 */
export async function readGone(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<Gone | 'never' | null> {
  let configs: readonly Config[]
  try {
    configs = await readConfigs(hub, kind, id, options)
  } catch (error) {
    if (isNoSuchId(error)) return 'never'
    throw error
  }
  let last: Gone | null = null
  for (const { name, revokeEvent } of configs) {
    if (revokeEvent === null) {
      throw new AgainError('HUB_TORN', `prod shows no ${kind} ${id}, but its history has it: it came back`)
    }
    if (last === null || revokeEvent > last.revokeEvent) last = { name, revokeEvent }
  }
  return last
}

/** A row of the thing's settings, of all times; revokeEvent null: active. */
interface Config {
  readonly name: string
  readonly revokeEvent: number | null
}

async function readConfigs(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<Config[]> {
  if (kind === 'tag') {
    const [{ tag_config: rows }] = await hub.read([queryHistory(['tag_config'], { tag: id })], options)
    return rows.map((row) => ({ name: row.tagName, revokeEvent: row.revokeEvent }))
  }
  if (kind === 'build_target') {
    const call = queryHistory(['build_target_config'], { target: id })
    const [{ build_target_config: rows }] = await hub.read([call], options)
    return rows.map((row) => ({ name: row.targetName, revokeEvent: row.revokeEvent }))
  }
  const call = queryHistory(['external_repo_config'], { externalRepo: id })
  const [{ external_repo_config: rows }] = await hub.read([call], options)
  return rows.map((row) => ({ name: row.externalRepoName, revokeEvent: row.revokeEvent }))
}

async function readShown(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<{ readonly name: string } | null> {
  if (kind === 'tag') return (await hub.read([getTag(id)], options))[0]
  if (kind === 'build_target') return (await hub.read([getBuildTarget(id)], options))[0]
  return (await hub.read([getExternalRepo(id)], options))[0]
}

/** What prod calls a thing now, also a deleted one; null: it never had one with settings. */
export async function readName(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<string | null> {
  const shown = await readShown(hub, kind, id, options)
  if (shown !== null) return shown.name
  const gone = await readGone(hub, kind, id, options)
  return gone === null || gone === 'never' ? null : gone.name
}

const LOST: Readonly<Record<NamedRowKind, { readonly code: string; readonly noun: string }>> = {
  tag: { code: 'HUB_LOST_TAG', noun: 'tag' },
  build_target: { code: 'HUB_LOST_TARGET', noun: 'build target' },
  external_repo: { code: 'HUB_LOST_EXTERNAL_REPO', noun: 'external repo' },
}

/** Prod never had what staging has from it: another hub answers (DNS, an older dump). Nothing may be removed. */
export function lostByHub(kind: NamedRowKind, id: number): SafetyError {
  const { code, noun } = LOST[kind]
  const text = `prod's hub does not know ${noun} ${id}, which came from it: this is another hub, nothing is removed`
  return new SafetyError(code, text, { detail: { id } })
}
