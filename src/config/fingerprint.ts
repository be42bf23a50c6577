import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { Secret } from '../model/secret.ts'
import type { Config } from './config.ts'

/**
 * What all daemons of one staging must agree on, as a digest for each part, so that the one that disagrees can be told
 * where. Paths as this host sees them, rates and addresses may differ; no secret goes in.
 */
export function fingerprintOf(config: Config): Readonly<Record<string, string>> {
  const { prod, staging, bus } = config
  const parts = {
    'prod.hub': prod.hub,
    'prod.link_target': prod.linkTarget,
    'prod.volumes': prod.volumes,
    'staging.user': staging.user,
    'staging.id_floor': staging.idFloor,
    'bus.fedmsg.instance': bus.fedmsg.instance,
    scope: config.scope,
    placement: config.placement,
    copy: {
      arches: config.copy.arches,
      signedKeys: config.copy.signedKeys,
      sigcache: config.copy.sigcache,
      logs: config.copy.logs,
    },
    conflicts: config.conflicts,
    external_repo_rewrite: config.externalRepoRewrite,
    tag_rewrite: config.tagRewrite,
  }
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, digest(part)]))
}

function digest(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex')
    .slice(0, 32)
}

/** The sections of a configuration that differ from another one's: `prod.hub`, `scope`; names only, since values may be secret. */
export function findChangedSettings(before: Config, after: Config): string[] {
  const flat = (config: Config): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(config).flatMap(([section, value]) =>
        typeof value !== 'object' || value === null || Array.isArray(value)
          ? [[section, value]]
          : Object.entries(value).map(([name, member]) => [`${section}.${name}`, revealed(member)]),
      ),
    )
  const [old, now] = [flat(before), flat(after)]
  return Object.keys(now).filter((name) => !isDeepStrictEqual(old[name], now[name]))
}

function revealed(value: unknown): unknown {
  return value instanceof Secret ? value.reveal() : value
}

/** The order of a list counts (first match wins), that of a table's keys does not. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([name, member]) => [name, sorted(member)])
}
