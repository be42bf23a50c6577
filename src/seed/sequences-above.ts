import { ConfigError } from '../errors.ts'
import { Catalog } from '../staging/catalog.ts'
import type { Session } from './session.ts'

/** Last number given by each sequence (`public.repo_id_seq`). */
export type Sequences = ReadonlyMap<string, number>

/** Of all of Koji's tables, found from the catalog. */
export async function readSequences(session: Session, known?: Catalog): Promise<Sequences> {
  const catalog = known ?? (await Catalog.read(session))
  const names = [...new Set(catalog.sequences().map((one) => one.sequence))]
  if (names.length === 0) return new Map()
  // In one statement: staging stands still meanwhile.
  const rows = await session.query<{ name: string; last: number }>(
    'seed.sequences',
    names
      .map((name) => `select '${name.replaceAll("'", "''")}' as name, last_value as last from ${name}`)
      .join(' union all '),
  )
  return new Map(rows.map(({ name, last }) => [name, last]))
}

/**
 * Moves the sequences above those of another database, and by `margin` more; never downwards. An id that both gave would be two
 * things to everybody who remembers it: a repo id that is used twice breaks every newRepo. Returns where all stand then.
 * Throws ConfigError SEQUENCE_EXHAUSTED.
 */
export async function raiseAbove(
  session: Session,
  other: Sequences,
  margin: number,
  known?: Catalog,
): Promise<Sequences> {
  const catalog = known ?? (await Catalog.read(session))
  const now = new Map(await readSequences(session, catalog))
  for (const { sequence, max } of catalog.sequences()) {
    const last = other.get(sequence)
    if (last === undefined) continue
    const to = last + margin
    if (to >= max) {
      throw new ConfigError('SEQUENCE_EXHAUSTED', `${sequence} would stand at ${to}; it ends at ${max}`)
    }
    if (to > (now.get(sequence) ?? 0)) now.set(sequence, to)
  }
  const moved = [...now].filter(([name]) => other.has(name))
  if (moved.length > 0) {
    await session.query(
      'seed.raise',
      `select ${moved.map(([name, to]) => `setval('${name.replaceAll("'", "''")}', ${to})`).join(', ')}`,
    )
  }
  return now
}
