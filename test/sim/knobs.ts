import { setTimeout as sleep } from 'node:timers/promises'
import { type CallLog, isRowList } from './dispatch.ts'
import { trespass } from './trespass.ts'
import type { Struct, Value } from './wire-value.ts'

/** Ways in which a hub, or what stands before it, fails. */
export type Trouble =
  /** Status 500 with a short text. */
  | 'http-500'
  /** Status 200 and a proxy's HTML page. */
  | 'html'
  /** An answer that ends in the middle, although its length was announced. */
  | 'truncated'
  /** An answer whose XML ends in the middle, in a complete body. */
  | 'torn-xml'
  /** The connection is reset. */
  | 'reset'
  /** Koji's ServerOffline fault (1014). */
  | 'server-offline'
  /** Koji's Retry fault (1009). */
  | 'retry'
  /** A right answer with Content-Type application/json. */
  | 'wrong-content-type'
  /** Accepts the request and never answers. */
  | 'silent'

/** What a test can turn on a running hub, and what it can look up afterwards. */
export class Knobs implements CallLog {
  /** Wait before each request, and before each call in it. */
  delayPerRequestMs = 0
  delayPerCallMs = 0
  /** Calls by method since the start or the last `clear()`; calls in a multiCall count too. */
  readonly counts = new Map<string, number>()
  /** HTTP requests. */
  requests = 0
  /** Requests that were being answered at the same time, at most. */
  maxConcurrent = 0
  /** All calls in order. */
  readonly calls: { method: string; params: Value[] }[] = []
  /** What a read-only client must not do: methods, and logins. Fails the run, unless the test said that it may. */
  readonly refused: string[] = []
  readonly #mayTrespass: boolean
  readonly #troubles: Trouble[] = []
  readonly #drops = new Map<string, (row: Struct) => boolean>()
  readonly #before = new Map<string, () => Promise<void>>()

  constructor(options: { mayTrespass: boolean }) {
    this.#mayTrespass = options.mayTrespass
  }

  /** The next `count` requests fail that way. */
  failNext(trouble: Trouble, count = 1): void {
    for (let i = 0; i < count; i++) this.#troubles.push(trouble)
  }

  /** Rows for which `drop` says true are missing in the method's list answers, until `keepRows`. */
  dropRows(method: string, drop: (row: Struct) => boolean): void {
    this.#drops.set(method, drop)
  }

  keepRows(method: string): void {
    this.#drops.delete(method)
  }

  /** Runs something before the next call of a method: "the hub commits between our two reads". */
  beforeNext(method: string, action: () => Promise<void>): void {
    this.#before.set(method, action)
  }

  /** Forgets the calls counted so far. */
  clear(): void {
    this.counts.clear()
    this.calls.length = 0
    this.refused.length = 0
    this.requests = 0
    this.maxConcurrent = 0
  }

  takeTrouble(): Trouble | undefined {
    return this.#troubles.shift()
  }

  record(method: string, params: Value[]): void {
    this.counts.set(method, (this.counts.get(method) ?? 0) + 1)
    this.calls.push({ method, params })
  }

  refuse(method: string): void {
    this.refused.push(method)
    if (!this.#mayTrespass) trespass(method)
  }

  alter(method: string, answer: Value): Value {
    const drop = this.#drops.get(method)
    if (!drop) return answer
    const keep = (value: Value): Value =>
      isRowList(value) ? value.filter((row) => !drop(row as Struct)) : value
    // listTaggedRPMS answers a pair of lists, queryHistory a struct of lists.
    if (isRowList(answer)) return keep(answer)
    if (Array.isArray(answer)) return answer.map(keep)
    if (answer !== null && typeof answer === 'object') {
      return Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, keep(value as Value)]))
    }
    return answer
  }

  async beforeCall(method: string): Promise<void> {
    const action = this.#before.get(method)
    this.#before.delete(method)
    await action?.()
    if (this.delayPerCallMs > 0) await sleep(this.delayPerCallMs)
  }
}
