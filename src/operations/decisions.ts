import type { Deps } from '../converge/deps.ts'
import { formatKey, type Key, parseKey } from '../model/key.ts'
import type { Sql } from '../staging/database.ts'
import { type DecisionPolicy, listDecisions } from '../staging/decisions.ts'

type Conflicts = Deps['conflicts']

/** How often daemons read what people decided. */
export const FOLLOW_MS = 1_000

/**
 * What people decided of single keys, as this process knows it. Read again every second, so that the way of a key asks the
 * database nothing; a decision that is news to a daemon makes it look at the key once more.
 */
export class Decisions {
  readonly #sql: Sql
  readonly #conflicts: Conflicts
  #policies: ReadonlyMap<string, DecisionPolicy> = new Map()

  constructor(sql: Sql, conflicts: Conflicts) {
    this.#sql = sql
    this.#conflicts = conflicts
  }

  /** Reads them; returns the keys whose decision is another one now. */
  async load(): Promise<Key[]> {
    const rows = await listDecisions(this.#sql)
    const before = this.#policies
    this.#policies = new Map(rows.map(({ key, policy }) => [key, policy]))
    const keys = new Set([...before.keys(), ...this.#policies.keys()])
    return [...keys].filter((key) => before.get(key) !== this.#policies.get(key)).map(parseKey)
  }

  /** null: the configuration decides */
  policyOf(key: Key): DecisionPolicy | null {
    return this.#policies.size === 0 ? null : (this.#policies.get(formatKey(key)) ?? null)
  }

  conflictsFor(key: Key): Conflicts {
    const policy = this.policyOf(key)
    return policy === null ? this.#conflicts : conflictsOf(policy)
  }
}

/** The whole of `[conflicts]` under one policy. What staging uses stays unless prod wins. */
export function conflictsOf(policy: DecisionPolicy): Conflicts {
  return { build: policy, tag: policy, onRemoved: policy === 'prod-wins' ? 'prod-wins' : 'hold' }
}
