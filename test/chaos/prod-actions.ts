import { buildActions } from './build-actions.ts'
import type { ProdAction } from './prod-scene.ts'
import { tagActions } from './tag-actions.ts'

/** What people do to prod. */
const actions: Readonly<Record<string, ProdAction>> = { ...buildActions, ...tagActions }

/** Each as often as it is to be drawn. */
export const prodNames: readonly string[] = Object.entries(actions).flatMap(([name, { weight }]) =>
  Array.from({ length: weight }, () => name),
)

/** Undefined: no action of prod's. */
export const prodAction = (name: string): ProdAction | undefined => actions[name]
