import { SafetyError } from '../errors.ts'
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
 * Of a thing that prod does not show: how it is called and when it was deleted. `never`: prod has no such id, nor ever
 * had (Koji deletes no identity rows). null: it has the id, but there never were settings, or they are back.
 */
export async function readGone(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<Gone | 'never' | null> {
  try {
    const rows = await revokedConfigs(hub, kind, id, options)
    const last = rows.reduce<Gone | null>(
      (newest, row) => (newest === null || row.revokeEvent > newest.revokeEvent ? row : newest),
      null,
    )
    return last
  } catch (error) {
    if (isNoSuchId(error)) return 'never'
    throw error
  }
}

async function revokedConfigs(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<Gone[]> {
  if (kind === 'tag') {
    const [{ tag_config: rows }] = await hub.read(
      [queryHistory(['tag_config'], { tag: id, active: false })],
      options,
    )
    return rows.map((row) => ({ name: row.tagName, revokeEvent: row.revokeEvent ?? 0 }))
  }
  if (kind === 'build_target') {
    const [{ build_target_config: rows }] = await hub.read(
      [queryHistory(['build_target_config'], { target: id, active: false })],
      options,
    )
    return rows.map((row) => ({ name: row.targetName, revokeEvent: row.revokeEvent ?? 0 }))
  }
  const [{ external_repo_config: rows }] = await hub.read(
    [queryHistory(['external_repo_config'], { externalRepo: id, active: false })],
    options,
  )
  return rows.map((row) => ({ name: row.externalRepoName, revokeEvent: row.revokeEvent ?? 0 }))
}

/** What prod calls a thing now, also a deleted one; null: it never had one with settings. */
export async function readName(
  hub: Hub,
  kind: NamedRowKind,
  id: number,
  options: ReadOptions,
): Promise<string | null> {
  const [shown] =
    kind === 'tag'
      ? await hub.read([getTag(id)], options)
      : kind === 'build_target'
        ? await hub.read([getBuildTarget(id)], options)
        : await hub.read([getExternalRepo(id)], options)
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
