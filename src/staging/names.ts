import { LRUCache } from 'lru-cache'
import { AgainError, KeyError } from '../errors.ts'
import type { Catalog } from './catalog.ts'
import type { Database, Tx } from './database.ts'
import { ensureNamesIn } from './ensure-names.ts'
import { NAME_TABLES, type NamedItem, type NameKind } from './name-kinds.ts'

export type { NamedItem, NameKind } from './name-kinds.ts'

/** Prod's (id, name) pairs whose staging id is remembered. */
const CACHE_SIZE = 50_000

/**
 * Users, packages, groups and other things that both sides share by name. They are made beforehand, in sorted
 * transactions of their own, so that the transaction that needs them neither waits for others nor lets others wait.
 */
export class Names {
  readonly #database: Database
  readonly #catalog: Catalog
  readonly #ids = new LRUCache<string, number>({ max: CACHE_SIZE })

  constructor(options: { database: Database; catalog: Catalog }) {
    this.#database = options.database
    this.#catalog = options.catalog
  }

  /**
   * Staging's ids by name; what staging lacks is made. Matched by prod's id first (`staging_sync.owned`), then by name;
   * a name that changed in prod changes in staging, unless somebody changed it there.
   *
   * Throws AgainError when somebody is faster, KeyError CELL_INVALID or SCHEMA_CANNOT_HOLD for a name.
   */
  async ensure(kind: NameKind, items: readonly NamedItem[]): Promise<Map<string, number>> {
    const ids = new Map<string, number>()
    const unknown = new Map<string, NamedItem>()
    for (const item of items) {
      const id = this.#ids.get(cacheKey(kind, item))
      if (id !== undefined) ids.set(item.name, id)
      else unknown.set(item.name, mergeItem(kind, unknown.get(item.name), item))
    }
    if (unknown.size === 0) return ids
    const sorted = [...unknown.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    const made = await ensureNamesIn(this.#database, this.#catalog, kind, sorted)
    for (const item of sorted) {
      const id = made.get(item.name)
      if (id === undefined)
        throw new AgainError('NAME_GONE', `${kind} ${item.name} went as soon as it was made`)
      this.#ids.set(cacheKey(kind, item), id)
      ids.set(item.name, id)
    }
    return ids
  }

  /**
   * Checks, inside the transaction that uses them, that ids still mean these names: the row has that name, or is
   * recorded as the one that came from prod (whatever an admin of staging calls it). Throws AgainError NAME_CHANGED and
   * forgets what was remembered.
   */
  async verify(tx: Tx, kind: NameKind, pairs: ReadonlyMap<string, number>): Promise<void> {
    if (pairs.size === 0) return
    const changed = await tx.query<{ name: string; id: number }>(
      `names.verify.${kind}`,
      `select r.name, r.id from unnest($1::text[], $2::bigint[]) as r(name, id)
        where not exists (select 1 from ${NAME_TABLES[kind].table} t where t.id = r.id and (t.name = r.name
              or exists (select 1 from staging_sync.owned o where o.kind = $3 and o.staging_id = t.id)))`,
      [[...pairs.keys()], [...pairs.values()], kind],
    )
    if (changed.length === 0) return
    const names = new Set(changed.map(({ name }) => name))
    for (const key of [...this.#ids.keys()]) {
      const [cachedKind, , cachedName] = JSON.parse(key) as [string, number | null, string]
      if (cachedKind === kind && names.has(cachedName)) this.#ids.delete(key)
    }
    throw new AgainError('NAME_CHANGED', `${kind} ${[...names].join(', ')} changed in staging`, {
      detail: { kind, names: [...names] },
    })
  }
}

function cacheKey(kind: NameKind, item: NamedItem): string {
  return JSON.stringify([kind, item.prodId, item.name])
}

/** One name twice in one call: the same thing, once perhaps without its id. */
function mergeItem(kind: NameKind, known: NamedItem | undefined, item: NamedItem): NamedItem {
  if (known === undefined) return item
  if (
    known.prodId !== null &&
    item.prodId !== null &&
    known.prodId !== item.prodId &&
    NAME_TABLES[kind].byId
  ) {
    throw new KeyError(
      'NAME_TWICE',
      `prod has two of ${kind} ${item.name}: ${known.prodId} and ${item.prodId}`,
    )
  }
  return known.prodId === null ? item : known
}
