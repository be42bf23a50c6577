import { ConfigError } from '../errors.ts'
import { Catalog } from '../staging/catalog.ts'
import type { Session } from './session.ts'

/** Last number given by each sequence (`public.repo_id_seq`). */
export type Sequences = ReadonlyMap<string, number>

/** Of all of Koji's tables, found from the catalog. */
export async function readSequences(session: Session): Promise<Sequences> {
  const catalog = await Catalog.read(session)
  const found = new Map<string, number>()
  for (const sequence of new Set(catalog.sequences().map((one) => one.sequence))) {
    const [row] = await session.query<{ last: number }>(
      'seed.sequence',
      `select last_value as last from ${sequence}`,
    )
    found.set(sequence, row?.last ?? 0)
  }
  return found
}

/**
 * Moves the sequences above those of another database, and by `margin` more; never downwards. An id that both gave would be two
 * things to everybody who remembers it: a repo id that is used twice breaks every newRepo. Returns those that moved.
 * Throws ConfigError SEQUENCE_EXHAUSTED.
 */
export async function raiseAbove(session: Session, other: Sequences, margin: number): Promise<string[]> {
  const catalog = await Catalog.read(session)
  const moved: string[] = []
  for (const { sequence, max } of catalog.sequences()) {
    const last = other.get(sequence)
    if (last === undefined) continue
    const to = last + margin
    if (to >= max) {
      throw new ConfigError('SEQUENCE_EXHAUSTED', `${sequence} would stand at ${to}; it ends at ${max}`)
    }
    const set = await session.query(
      'seed.raise',
      `select setval('${sequence}', $1) from ${sequence} where last_value < $1`,
      [to],
    )
    if (set.length > 0) moved.push(sequence)
  }
  return moved
}
