import { realpathSync } from 'node:fs'
import { basename, dirname, join, normalize, sep } from 'node:path'
import type { PartialSettings } from './checks.ts'
import type { Problem } from './problems.ts'

/**
 * Refuses trees that lie in one another, links resolved: whatever is written to staging's tree would be written to
 * prod's. A path that does not exist here (link_target may only exist elsewhere) is resolved as far as it does.
 */
export function findTreeProblems({ prod, staging }: PartialSettings): Problem[] {
  if (typeof staging.topdir !== 'string') return []
  const own = resolved(staging.topdir)
  return (['topdir', 'link_target'] as const).flatMap((name) => {
    const path = prod[name]
    if (typeof path !== 'string') return []
    const theirs = resolved(path)
    if (own === theirs) return [{ path: 'staging.topdir', message: `is the tree of prod.${name}` }]
    if (isInside(own, theirs)) return [{ path: 'staging.topdir', message: `lies inside of prod.${name}` }]
    if (isInside(theirs, own)) return [{ path: `prod.${name}`, message: 'lies inside of staging.topdir' }]
    return []
  })
}

function isInside(inner: string, outer: string): boolean {
  return inner.startsWith(outer.endsWith(sep) ? outer : outer + sep)
}

function resolved(path: string): string {
  const plain = normalize(path).replace(/(.)\/+$/, '$1')
  try {
    return realpathSync(plain)
  } catch {
    const parent = dirname(plain)
    return parent === plain ? plain : join(resolved(parent), basename(plain))
  }
}
