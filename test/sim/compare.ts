import { viewBuilds } from './compare/builds.ts'
import { viewTags } from './compare/tags.ts'
import { type Asked, kw, rowsOf, View } from './compare/view.ts'
import type { Struct } from './wire-value.ts'

/** What to compare. */
export interface CompareOptions {
  /** Addresses of the two hubs. */
  prod: string
  staging: string
  /** Names of tags; default all of both sides. */
  tags?: string[]
  /** `tagged`: builds in these tags (default); `all`: every complete build. */
  builds?: 'tagged' | 'all'
  /** Compare targets and external repositories too. Default true unless tags are given. */
  global?: boolean
  /** What staging's URLs should be for prod's. */
  rewriteUrl?: (url: string) => string
}

/** One thing that the two hubs show differently. `null`: that side does not have it. */
export interface Difference {
  /** tag, tagged, rpm, signature … */
  kind: string
  /** Name of the thing. */
  name: string
  prod: string | null
  staging: string | null
}

/** Outcome: no differences is equality. */
export interface Comparison {
  differences: Difference[]
  /** How many things of each kind were compared. */
  checked: Record<string, number>
}

/**
 * Asks both hubs the same questions and lists what differs: tags, settings, extra with blocked values, inheritance, package
 * lists, listings in order, rpms with signatures, archives, groups, external repos, targets, and the builds themselves.
 * Ids, events, creators, tasks and volumes are not compared.
 */
export async function compareHubs(options: CompareOptions): Promise<Comparison> {
  const prod = new View(options.prod, options.rewriteUrl ?? ((url) => url))
  const staging = new View(options.staging, (url) => url)
  await Promise.all([fill(prod, options), fill(staging, options)])
  const differences: Difference[] = []
  const checked: Record<string, number> = {}
  for (const key of new Set([...prod.entries.keys(), ...staging.entries.keys()])) {
    const [kind = '', name = ''] = key.split('\t')
    checked[kind] = (checked[kind] ?? 0) + 1
    const sides = { prod: prod.entries.get(key) ?? null, staging: staging.entries.get(key) ?? null }
    if (sides.prod !== sides.staging) differences.push({ kind, name, ...sides })
  }
  return { differences, checked }
}

/** A line for people. */
export function describeDifference({ kind, name, prod, staging }: Difference): string {
  if (prod === null) return `${kind} ${name}: only in staging`
  if (staging === null) return `${kind} ${name}: missing in staging`
  return `${kind} ${name}: ${prod} -> ${staging}`
}

async function fill(view: View, options: CompareOptions): Promise<void> {
  const tags = options.tags ?? rowsOf((await view.multi([['listTags']]))[0]).map((tag) => tag.name as string)
  const tagged = await viewTags(view, [...tags].sort())
  const builds = options.builds === 'all' ? await allBuilds(view) : tagged
  await viewBuilds(view, builds)
  if (!(options.global ?? options.tags === undefined)) return
  const calls: Asked[] = [['getBuildTargets'], ['listExternalRepos']]
  const [targets, repos] = await view.multi(calls)
  for (const target of rowsOf(targets)) view.put('build target', target.name as string, target)
  for (const repo of rowsOf(repos)) view.put('external repo', repo.name as string, repo)
}

async function allBuilds(view: View): Promise<Map<string, number>> {
  const [rows] = await view.multi([['listBuilds', kw({ state: 1, queryOpts: { order: 'build_id' } })]])
  return new Map(rowsOf(rows).map((row: Struct) => [row.nvr as string, row.build_id as number]))
}
