import type { HubSession } from '../hub-session.ts'
import { Binds, inForce, run, select } from '../query.ts'
import { generic, isInt, isStruct, type Struct, truthy, type Value } from '../wire-value.ts'
import { getId } from './names.ts'
import { fullInheritance } from './tags.ts'
import { getUser } from './users.ts'

/** What to look for in package lists (readPackageList). */
export interface PackageQuery {
  tagId?: Value
  userId?: Value
  /** Id or name. */
  pkgId?: Value
  event?: Value
  inherit?: boolean
  withDups?: boolean
  withOwners?: boolean
  withBlocked?: boolean
}

/** Package lists by package id; several rows for one only with `withDups`. */
export async function packageList(hub: HubSession, q: PackageQuery): Promise<Map<Value, Struct[]>> {
  const { tagId = null, userId = null, pkgId = null, event = null, withOwners = true, withBlocked = true } = q
  if (tagId === null && userId === null && pkgId === null)
    throw generic('tag,user, and/or pkg must be specified')
  if (userId !== null && !withOwners) throw generic("userID and with_owners=False can't be used together")
  const found = new Map<Value, Struct[]>()
  const rowsOf = (tag: Value) => {
    const binds = new Binds()
    const where = [inForce(event, 'tag_packages')]
    if (tag !== null) where.push(`tag.id = ${binds.add(tag)}`)
    if (userId !== null) where.push(`users.id = ${binds.add(userId)}`)
    if (pkgId !== null) where.push(`package.${isInt(pkgId) ? 'id' : 'name'} = ${binds.add(pkgId)}`)
    if (withOwners) where.push(inForce(event, 'tag_package_owners'))
    if (!withBlocked) where.push('NOT tag_packages.blocked')
    return select(hub, { fields: fields(withOwners), from: tables(withOwners), where, binds })
  }
  for (const row of await rowsOf(tagId)) {
    const id = row.package_id as Value
    found.set(id, q.withDups ? [...(found.get(id) ?? []), row] : [row])
  }
  if (tagId === null || !q.inherit) return found
  for (const link of await fullInheritance(hub, tagId, event)) {
    const filters = (link.filter as string[]).map(pythonMatch)
    for (const row of await rowsOf(link.parent_id as Value)) {
      const id = row.package_id as Value
      const earlier = found.get(id)
      if (!q.withDups && earlier) continue
      if (!filters.every((filter) => filter.test(row.package_name as string))) continue
      found.set(id, [...(earlier ?? []), row])
    }
  }
  return found
}

function fields(withOwners: boolean): Record<string, string> {
  return {
    package_id: 'package.id',
    package_name: 'package.name',
    tag_id: 'tag.id',
    tag_name: 'tag.name',
    extra_arches: 'extra_arches',
    blocked: 'tag_packages.blocked',
    ...(withOwners ? { owner_id: 'users.id', owner_name: 'users.name' } : {}),
  }
}

function tables(withOwners: boolean): string {
  return `tag_packages JOIN tag ON tag.id = tag_packages.tag_id JOIN package ON package.id = tag_packages.package_id
    ${
      withOwners
        ? `JOIN tag_package_owners ON tag_packages.tag_id = tag_package_owners.tag_id
             AND tag_packages.package_id = tag_package_owners.package_id
           JOIN users ON users.id = tag_package_owners.owner`
        : ''
    }`
}

/** Python's re.match: bound to the start only. */
function pythonMatch(pattern: string): RegExp {
  const translated = pattern.replaceAll('(?P<', '(?<').replaceAll('\\A', '^').replaceAll('\\Z', '$')
  return new RegExp(`^(?:${translated})`)
}

/** listPackages. */
export async function listPackages(hub: HubSession, a: Struct): Promise<Value> {
  if (a.tagID === null && a.userID === null && a.pkgID === null) {
    const binds = new Binds()
    const where = a.prefix === null ? [] : [`package.name ILIKE ${binds.add(a.prefix)} || '%'`]
    const simple = { package_id: 'package.id', package_name: 'package.name' }
    return run(hub, { fields: simple, from: 'package', where, binds, opts: a.queryOpts })
  }
  const id = async (table: string, info: Value) => (info === null ? null : getId(hub, table, info, true))
  const user = a.userID === null ? null : await getUser(hub, a.userID as Value, { strict: true })
  const found = await packageList(hub, {
    tagId: await id('tag', a.tagID as Value),
    userId: (user?.id ?? null) as Value,
    pkgId: await id('package', a.pkgID as Value),
    inherit: truthy(a.inherited),
    withDups: truthy(a.with_dups),
    event: a.event as Value,
    withOwners: a.with_owners === undefined || truthy(a.with_owners),
    withBlocked: a.with_blocked === undefined || truthy(a.with_blocked),
  })
  let rows = [...found.values()].flat()
  if (truthy(a.prefix)) {
    const prefix = String(a.prefix).toLowerCase()
    rows = rows.filter((row) => (row.package_name as string).toLowerCase().startsWith(prefix))
  }
  return applyOpts(rows, a.queryOpts as Value)
}

/** queryOpts on rows that no single query made (_applyQueryOpts). */
function applyOpts(rows: Struct[], queryOpts: Value): Value {
  const opts = isStruct(queryOpts) ? queryOpts : {}
  let result = rows
  if (opts.order) {
    const key = String(opts.order).replace(/^-/, '')
    const sign = String(opts.order).startsWith('-') ? -1 : 1
    const compare = (a: Value, b: Value) => (a === b ? 0 : (a as number) < (b as number) ? -1 : 1)
    result = [...result].sort((a, b) => sign * compare(a[key] as Value, b[key] as Value))
  }
  if (opts.offset) result = result.slice(Number(opts.offset))
  if (opts.limit) result = result.slice(0, Number(opts.limit))
  return opts.countOnly ? result.length : result
}
