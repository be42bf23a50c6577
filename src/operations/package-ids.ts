import { LRUCache } from 'lru-cache'
import { formatKey, type Key } from '../model/key.ts'
import type { Mark } from '../model/outcome.ts'
import type { Sql } from '../staging/database.ts'

/** Packages whose id is remembered; Koji never renames nor deletes one. */
const CACHE_SIZE = 100_000

/**
 * Prod's ids of packages by name, as far as staging has them from prod: messages name packages, keys carry ids. What is
 * not known stays a lookup key, which asks prod.
 */
export class PackageIds {
  readonly #ids = new LRUCache<string, number>({ max: CACHE_SIZE })

  get(name: string): number | null {
    return this.#ids.get(name) ?? null
  }

  /** Turns lookups of a package in a tag (by id) into their keys where staging knows the package. One statement. */
  async resolve(sql: Sql, marks: readonly Mark[]): Promise<Mark[]> {
    const unknown = new Set(
      marks.flatMap((mark) => nameOf(mark.key) ?? []).filter((name) => !this.#ids.has(name)),
    )
    if (unknown.size > 0) {
      const rows = await sql.query<{ name: string; id: number }>(
        'bus.package-ids',
        `select p.name, o.prod_id as id from package p
           join staging_sync.owned o on o.kind = 'package' and o.staging_id = p.id
          where p.name = any($1::text[])`,
        [[...unknown]],
      )
      for (const row of rows) this.#ids.set(row.name, row.id)
    }
    const merged = new Map<string, Mark>()
    for (const mark of marks) {
      const key = this.#keyOf(mark.key)
      const text = formatKey(key)
      const before = merged.get(text)
      merged.set(text, {
        ...mark,
        key,
        ...(before?.expect === undefined && mark.expect === undefined
          ? {}
          : { expect: [...(before?.expect ?? []), ...(mark.expect ?? [])] }),
      })
    }
    return [...merged.values()]
  }

  #keyOf(key: Key): Key {
    const name = nameOf(key)
    const packageId = name === null ? undefined : this.#ids.get(name)
    if (packageId === undefined || key.kind !== 'lookup') return key
    return { kind: 'tagged', tagId: Number(key.names[0]), packageId }
  }
}

/** The package's name of a `lookup/tagged/<tag id>/<name>`; null for any other key. */
function nameOf(key: Key): string | null {
  if (key.kind !== 'lookup' || key.what !== 'tagged') return null
  const [tag, name] = key.names
  return tag !== undefined && name !== undefined && /^[0-9]+$/.test(tag) && !/^[0-9]+$/.test(name)
    ? name
    : null
}
