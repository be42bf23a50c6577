import { isIP } from 'node:net'
import { findDatabaseServer } from './database-server.ts'
import type { Settings } from './options.ts'
import type { Problem } from './problems.ts'

/** Settings of which the wrong ones are absent (rows of lists: null): the others are checked all the same. */
export type PartialSettings = {
  readonly [S in keyof Settings]: Settings[S] extends readonly (infer Row)[]
    ? readonly (Row | null)[] | undefined
    : Partial<Settings[S]>
}

/** The rows that are right, with their places. */
function rowsOf<Row>(rows: readonly (Row | null)[] = []): [number, Row][] {
  return rows.flatMap((row, index) => (row === null ? [] : [[index, row]]))
}

/** What each setting allows but not together. Pure; paths on disk are looked at by `trees.ts`. */
export function findCombinationProblems(settings: PartialSettings): Problem[] {
  return [
    ...placementProblems(settings),
    ...sourceProblems(settings),
    ...duplicates('bus.fedmsg.endpoints', settings['bus.fedmsg'].endpoints ?? []),
    ...duplicates('scope.tags', settings.scope.tags ?? []),
    ...duplicates('scope.exclude_tags', settings.scope.exclude_tags ?? []),
    ...scopeProblems(settings),
    ...rewriteProblems(settings),
    ...tagRewriteProblems(settings),
    ...busProblems(settings),
  ]
}

function placementProblems({ placement, prod }: PartialSettings): Problem[] {
  if (placement === undefined) return []
  const problems: Problem[] = []
  if (placement.length === 0) problems.push({ path: 'placement', message: 'must have at least one rule' })
  for (const [index, rule] of rowsOf(placement)) {
    const path = `placement[${index}]`
    const matchesAll = isCatchAll(rule)
    if (matchesAll && index < placement.length - 1) {
      problems.push({ path, message: 'matches everything, so the rules after it never count' })
    }
    if (!matchesAll && index === placement.length - 1) {
      problems.push({
        path,
        message: 'must match everything, being the last rule: only mode, no tags, packages or btypes',
      })
    }
  }
  const copied = rowsOf(placement).find(([, rule]) => ['copy', 'in-place'].includes(rule.mode))?.[1]
  if (copied !== undefined && prod.topdir === null && prod.topurl === null) {
    const message = `is missing, and prod.topurl too: placement mode ${copied.mode} needs one of them`
    problems.push({ path: 'prod.topdir', message })
  }
  problems.push(...sharedVolumes(placement, prod.volumes ?? {}))
  // Both modes make links into prod's tree.
  const user = rowsOf(placement).find(([, rule]) => ['volume', 'farm'].includes(rule.mode))?.[1]
  if (user === undefined) return problems
  for (const name of ['topdir', 'link_target'] as const) {
    if (prod[name] === null) {
      problems.push({ path: `prod.${name}`, message: `is missing: placement mode ${user.mode} needs it` })
    }
  }
  const toDefault = Object.entries(prod.volumes ?? {}).find(([, name]) => name === 'DEFAULT')
  if (toDefault !== undefined) {
    const message = `${toDefault[0]} must not become DEFAULT with placement mode ${user.mode}: staging's own builds live there`
    problems.push({ path: 'prod.volumes', message })
  }
  return problems
}

/** A snapshot has prod's volumes: another placement must not bring builds there, whose directories would be taken for the snapshot's. */
function sharedVolumes(
  placement: NonNullable<PartialSettings['placement']>,
  volumes: Readonly<Record<string, string>>,
): Problem[] {
  const modes = rowsOf(placement).map(([, { mode }]) => mode)
  if (!modes.includes('in-place')) return []
  const ofProd = new Set(['DEFAULT', ...Object.keys(volumes)])
  return [...new Set(modes)].flatMap((mode) =>
    mode === 'in-place'
      ? []
      : Object.entries(volumes)
          .map(([from, to]) => [from, mode === 'volume' || to === 'DEFAULT' ? to : `${to}-${mode}`] as const)
          .filter(([, to]) => ofProd.has(to))
          .map(([from, to]) => ({
            path: `prod.volumes.${from}`,
            message: `is ${to} with placement mode ${mode}, where mode in-place has prod's builds: give it another name`,
          })),
  )
}

function isCatchAll(rule: Settings['placement'][number]): boolean {
  const lists = [rule.tags, rule.packages, rule.btypes]
  return lists.every((list, index) => list === undefined || (index < 2 && list.includes('*')))
}

function sourceProblems({ prod, staging }: PartialSettings): Problem[] {
  const problems: Problem[] = []
  if (typeof prod.hub === 'string' && typeof staging.hub === 'string') {
    if (hubIdentity(prod.hub) === hubIdentity(staging.hub)) {
      problems.push({ path: 'staging.hub', message: 'must not be the hub of prod.hub' })
    }
  }
  if (typeof prod.hub === 'string' && typeof prod.ca_file === 'string' && prod.hub.startsWith('http:')) {
    problems.push({ path: 'prod.ca_file', message: 'has no meaning while prod.hub is an http:// address' })
  }
  return [...problems, ...databaseProblems(staging)]
}

function databaseProblems({ database, ca_file: caFile }: PartialSettings['staging']): Problem[] {
  if (typeof database !== 'string' || typeof caFile !== 'string') return []
  const path = 'staging.ca_file'
  const { host, parameters } = findDatabaseServer(database)
  const ssl = [...parameters.keys()].find((name) => name.startsWith('ssl'))
  if (ssl !== undefined)
    return [{ path, message: `stands beside ${ssl} in staging.database: one of them must go` }]
  if (host === null)
    return [{ path, message: 'has no meaning while staging.database is a socket on this host' }]
  // pg checks a certificate against an address as if it were `localhost`.
  if (isIP(host) !== 0)
    return [
      {
        path,
        message: 'needs a name in staging.database, not an address: the certificate is checked against it',
      },
    ]
  return []
}

// One hub answers under http and https, with and without a slash; host names have no case.
function hubIdentity(text: string): string {
  const url = new URL(text)
  const port = url.port === '' || url.port === '80' || url.port === '443' ? '' : `:${url.port}`
  return `${url.hostname.replace(/\.$/, '')}${port}${url.pathname.replace(/\/+$/, '')}`
}

function scopeProblems({ scope }: PartialSettings): Problem[] {
  const excluded = new Set(scope.exclude_tags ?? [])
  const same = (scope.tags ?? []).filter((tag) => excluded.has(tag))
  return same.map((tag) => ({
    path: 'scope.exclude_tags',
    message: `${JSON.stringify(tag)} is in scope.tags too: nothing is left of it`,
  }))
}

function rewriteProblems({ external_repo_rewrite: rules }: PartialSettings): Problem[] {
  const problems = duplicates(
    'external_repo_rewrite',
    (rules ?? []).map((rule) => rule?.match ?? null),
    '.match',
  )
  for (const [index, rule] of rowsOf(rules)) {
    const groups = (new RegExp(`${rule.match}|`).exec('')?.length ?? 1) - 1
    const wanted = [...rule.replace.matchAll(/\$(?:(\$)|([0-9]{1,2}))/g)].map((match) =>
      Number(match[2] ?? 0),
    )
    const missing = wanted.find((group) => group > groups)
    if (missing === undefined) continue
    const message = `names group ${missing}, but match has ${groups}`
    problems.push({ path: `external_repo_rewrite[${index}].replace`, message })
  }
  return problems
}

// Koji's extra keys of these families are flat names with dots in them (hub docs, "Tag extra"); TOML nests bare ones.
const DOTTED = ['repo', 'mock', 'rpm']

function tagRewriteProblems({ tag_rewrite: rules }: PartialSettings): Problem[] {
  const problems: Problem[] = []
  for (const [index, rule] of rowsOf(rules)) {
    const path = `tag_rewrite[${index}]`
    const extra = rule.extra ?? {}
    if (rule.arches === undefined && rule.remove_extra === undefined && Object.keys(extra).length === 0) {
      problems.push({ path, message: 'changes nothing: it needs arches, extra or remove_extra' })
    }
    for (const name of rule.remove_extra ?? []) {
      if (Object.hasOwn(extra, name)) {
        problems.push({
          path: `${path}.remove_extra`,
          message: `${JSON.stringify(name)} is set by extra too`,
        })
      }
    }
    for (const [name, value] of Object.entries(extra)) {
      if (DOTTED.includes(name) && typeof value === 'object') {
        const message = `a key with a dot needs quotes: "${name}.${Object.keys(value ?? {})[0] ?? 'x'}"`
        problems.push({ path: `${path}.extra.${name}`, message })
      }
    }
    problems.push(...duplicates(`${path}.arches`, rule.arches ?? []))
  }
  return problems
}

function busProblems({ 'bus.fedmsg': bus }: PartialSettings): Problem[] {
  const problems: Problem[] = []
  if (bus.validate_signatures === true && bus.ca === null && (bus.endpoints ?? []).length > 0) {
    problems.push({
      path: 'bus.fedmsg.ca',
      message:
        'is missing: messages are checked against it; to take unsigned ones, set bus.fedmsg.validate_signatures to false',
    })
  }
  if (bus.nitpicky === true && bus.policy_file === null) {
    problems.push({
      path: 'bus.fedmsg.nitpicky',
      message: 'refuses every message without bus.fedmsg.policy_file',
    })
  }
  return problems
}

function duplicates(path: string, values: readonly (string | null)[], end = ''): Problem[] {
  return values.flatMap((value, index) =>
    value === null || values.indexOf(value) === index
      ? []
      : [{ path: `${path}[${index}]${end}`, message: `stands there twice: ${JSON.stringify(value)}` }],
  )
}
