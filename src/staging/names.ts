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
   * recorded as the one that came from prod (whatever an admin of staging calls it). One statement for all kinds. Throws
   * AgainError NAME_CHANGED and forgets what was remembered.
   */
  async verify(tx: Tx, uses: readonly NameUse[]): Promise<void> {
    if (uses.length === 0) return
    const changed = await tx.query<{ kind: NameKind; name: string }>('names.verify.all', VERIFY, [
      uses.map(({ kind }) => kind),
      uses.map(({ name }) => name),
      uses.map(({ id }) => id),
    ])
    if (changed.length === 0) return
    const gone = new Set(changed.map(({ kind, name }) => JSON.stringify([kind, name])))
    for (const key of [...this.#ids.keys()]) {
      const [kind, , name] = JSON.parse(key) as [NameKind, number | null, string]
      if (gone.has(JSON.stringify([kind, name]))) this.#ids.delete(key)
    }
    const names = changed.map(({ kind, name }) => `${kind} ${name}`).join(', ')
    throw new AgainError('NAME_CHANGED', `${names} changed in staging`, { detail: { changed } })
  }
}

/** Staging's id of something that both share by name, as a transaction uses it. */
export interface NameUse {
  readonly kind: NameKind
  readonly name: string
  readonly id: number
}

const VERIFY = `
  select r.kind, r.name from unnest($1::text[], $2::text[], $3::bigint[]) as r(kind, name, id)
   where not case r.kind ${Object.entries(NAME_TABLES)
     .map(
       ([kind, { table }]) => `
     when '${kind}' then exists (select 1 from ${table} t where t.id = r.id and (t.name = r.name
          or exists (select 1 from staging_sync.owned o where o.kind = '${kind}' and o.staging_id = t.id)))`,
     )
     .join('')}
     else false end`

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
