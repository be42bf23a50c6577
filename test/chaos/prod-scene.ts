import type { ProdWorld } from '../sim/prod-world.ts'
import type { Dice } from './dice.ts'
import type { KojiView } from './koji-view.ts'

/** What an action works on: prod as everybody sees it, and who acts (prod itself, or an open transaction). */
export interface ProdScene {
  readonly view: KojiView
  readonly act: Pick<ProdWorld, Exclude<keyof ProdWorld, 'together' | 'begin' | 'rows' | 'close'>>
  readonly dice: Dice
}

export interface ProdAction {
  readonly weight: number
  /** Moves or removes files, or asks for what it has just made: never part of a transaction that is held open. */
  readonly alone?: true
  run(scene: ProdScene): Promise<unknown>
}

export const PACKAGES: readonly string[] = ['bash', 'vim', 'zsh', 'app']
