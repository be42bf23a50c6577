import type { Priority } from '../model/outcome.ts'
import type { Value } from '../model/value.ts'
import type { Ask } from './adapt.ts'

/** An answer of one call inside a multiCall. */
export type CallAnswer = { readonly value: Value } | { readonly error: Error }

/** Calls that travel together and in order: a read, or a part of one that is too large for a request. */
export class Piece {
  readonly asks: readonly Ask<unknown>[]
  readonly priority: Priority
  readonly bytes: number
  readonly answers: Promise<readonly CallAnswer[]>
  #settled = false
  #resolve: (answers: readonly CallAnswer[]) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  /** Called once it needs no answer any more. */
  onSettled: (() => void) | undefined

  constructor(asks: readonly Ask<unknown>[], priority: Priority) {
    this.asks = asks
    this.priority = priority
    this.bytes = asks.reduce((sum, ask) => sum + ask.bytes, 0)
    this.answers = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get settled(): boolean {
    return this.#settled
  }

  resolve(answers: readonly CallAnswer[]): void {
    this.#settle(() => this.#resolve(answers))
  }

  /** Also gives it up: nobody waits for it any more. */
  reject(error: unknown): void {
    this.#settle(() => this.#reject(error))
  }

  #settle(how: () => void): void {
    if (this.#settled) return
    this.#settled = true
    how()
    this.onSettled?.()
  }
}

export interface BatchLimits {
  readonly maxCalls: number
  /** Of the request's body; the hub refuses more than its MaxRequestLength (4 MiB unless configured). */
  readonly maxBytes: number
}

/** Cuts a read's calls into pieces that each fit a request. */
export function piecesOf(asks: readonly Ask<unknown>[], priority: Priority, limits: BatchLimits): Piece[] {
  const pieces: Piece[] = []
  let part: Ask<unknown>[] = []
  let bytes = 0
  for (const ask of asks) {
    if (part.length > 0 && (part.length >= limits.maxCalls || bytes + ask.bytes > limits.maxBytes)) {
      pieces.push(new Piece(part, priority))
      part = []
      bytes = 0
    }
    part.push(ask)
    bytes += ask.bytes
  }
  if (part.length > 0) pieces.push(new Piece(part, priority))
  return pieces
}

/** Takes the pieces off the front that fit one request, dropping those that nobody waits for. */
export function takeBatch(queue: Piece[], limits: BatchLimits): Piece[] {
  const batch: Piece[] = []
  let calls = 0
  let bytes = 0
  while (queue.length > 0) {
    const next = queue[0] as Piece
    if (!next.settled) {
      const fits = calls + next.asks.length <= limits.maxCalls && bytes + next.bytes <= limits.maxBytes
      if (!fits && batch.length > 0) break
      batch.push(next)
      calls += next.asks.length
      bytes += next.bytes
    }
    queue.shift()
  }
  return batch
}
