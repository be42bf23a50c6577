import type { KeyKind } from '../model/key.ts'
import type { Converged, Converger, Convergers } from './deps.ts'

type Converge = Converger['converge']

/** The same convergers, with something done around each `converge`, which `work` calls. */
export function around(
  convergers: Convergers,
  work: (converge: () => Promise<Converged>, ...asked: Parameters<Converge>) => Promise<Converged>,
): Convergers {
  const wrap = (converger: Converger): Converger => ({
    converge: (...asked) => work(() => converger.converge(...asked), ...asked),
    ...(converger.foresee === undefined ? {} : { foresee: converger.foresee.bind(converger) }),
  })
  const entries = Object.entries(convergers) as [KeyKind, Converger][]
  return Object.fromEntries(
    entries.map(([kind, converger]) => [kind, wrap(converger)]),
  ) as unknown as Convergers
}
