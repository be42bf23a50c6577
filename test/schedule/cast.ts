import type { World } from '../../src/operations/world.ts'
import type { Inbox } from './inbox.ts'

/** Somebody whose acts are drawn between the steps of the daemons, each as a whole, in their order. */
export interface Person {
  readonly name: string
  readonly acts: { readonly what: string; readonly run: () => Promise<unknown> }[]
}

/** A step that somebody waits at. */
export interface Waiting {
  readonly shown: string
  /** he is left standing until so many draws */
  until: number
  readonly go: () => void
}

/** A daemon whose steps are drawn. */
export interface Daemon {
  readonly name: string
  readonly context: World
  readonly inbox: Inbox
  readonly stop: AbortController
  wake(): void
  catchUp(): Promise<unknown>
  /** the work and the way of the messages */
  readonly begin: () => Promise<unknown>[]
  ended: Promise<unknown>[]
}
