import { around } from '../converge/around.ts'
import type { Converger, Convergers, Deps } from '../converge/deps.ts'
import type { Key } from '../model/key.ts'
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
  // What prod is asked does not hang on the policy.
  return around(configured, (_, key, ...asked) => choose(key).converge(key, ...asked))
}
