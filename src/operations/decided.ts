import type { Converger, Convergers, Deps } from '../converge/deps.ts'
import type { Key, KeyKind } from '../model/key.ts'
import type { DecisionPolicy } from '../staging/decisions.ts'
import { conflictsOf, type Decisions } from './decisions.ts'

/** Convergers that settle clashes of a key as people decided for it, and as configured where nobody did. */
export function decidedConvergers(
  deps: Deps,
  decisions: Decisions,
  make: (deps: Deps) => Convergers,
): Convergers {
  const configured = make(deps)
  const under = (policy: DecisionPolicy): Convergers => make({ ...deps, conflicts: conflictsOf(policy) })
  const decided: Readonly<Record<DecisionPolicy, Convergers>> = {
    'prod-wins': under('prod-wins'),
    'local-wins': under('local-wins'),
    hold: under('hold'),
  }
  const choose = (key: Key): Converger => {
    const policy = decisions.policyOf(key)
    return (policy === null ? configured : decided[policy])[key.kind] as unknown as Converger
  }
  const one: Converger = { converge: (key, claim, signal) => choose(key).converge(key, claim, signal) }
  const kinds = Object.keys(configured) as KeyKind[]
  return Object.fromEntries(kinds.map((kind) => [kind, one])) as unknown as Convergers
}
