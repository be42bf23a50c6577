import { LRUCache } from 'lru-cache'
import { KeyError } from '../errors.ts'
import { getPackage } from '../hub/calls-lookup.ts'
import type { Sql } from '../staging/database.ts'
import type { PackageId } from './history-keys.ts'
import type { Run } from './run.ts'

/** Names of packages that are remembered: Koji never renames nor deletes one. */
const CACHE_SIZE = 100_000

/**
 * Prod's ids of packages by name. Staging knows those that came from prod; prod is asked for the rest (packages of tags that
 * are out of scope, mostly), once each. A name is asked for as a name, also one of digits only.
 */
export class Packages {
  readonly #ids = new LRUCache<string, number>({ max: CACHE_SIZE })

  /** Throws KeyError HUB_ANSWER_INVALID for a name that prod, which named it, does not know. */
  async resolve(run: Run, names: Iterable<string>): Promise<PackageId> {
    const wanted = [...new Set(names)]
    const found = new Map<string, number>()
    const note = (rows: Iterable<readonly [string, number]>): void => {
      for (const [name, id] of rows) {
        found.set(name, id)
        this.#ids.set(name, id)
      }
    }
    for (const name of wanted) {
      const id = this.#ids.get(name)
      if (id !== undefined) found.set(name, id)
    }
    const missing = (): string[] => wanted.filter((name) => !found.has(name))
    note(await readStaging(run.database, missing(), run.seedEvent))
    const rest = missing()
    const answers = await run.read(rest.map((name) => getPackage(name)))
    note(answers.flatMap((answer) => (answer === null ? [] : [[answer.name, answer.id] as const])))
    const [lost] = missing()
    if (lost !== undefined) {
      const text = `prod's history names a package ${JSON.stringify(lost)} that getPackage does not know`
      throw new KeyError('HUB_ANSWER_INVALID', text, { detail: { method: 'getPackage', package: lost } })
    }
    return (name) => {
      const id = found.get(name)
      if (id === undefined) throw new KeyError('HUB_ANSWER_INVALID', `package ${name} was not resolved`)
      return id
    }
  }
}

/**
 * Ours by record; of the seed those that a build of the seed has (a package itself has no event, and one that staging's own
 * people added may have any id).
 */
async function readStaging(
  sql: Sql,
  names: readonly string[],
  seedEvent: number | null,
): Promise<[string, number][]> {
  if (names.length === 0) return []
  const rows = await sql.query<{ name: string; prodId: number }>(
    'catchup.packages',
    `select p.name, coalesce(o.prod_id, p.id) as "prodId"
       from package p left join staging_sync.owned o on o.kind = 'package' and o.staging_id = p.id
      where p.name = any($1::text[])
        and (o.prod_id is not null
             or exists (select 1 from build b where b.pkg_id = p.id and b.create_event <= $2::int))`,
    [names, seedEvent],
  )
  return rows.map(({ name, prodId }) => [name, prodId])
}
