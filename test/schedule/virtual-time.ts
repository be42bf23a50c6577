import { syncBuiltinESMExports } from 'node:module'
import promises from 'node:timers/promises'

interface Timer {
  atMs: number
  readonly order: number
  readonly everyMs: number | null
  readonly fire: () => void
}

/** What a faked timer answers to: nobody waits for the process to end by it. */
interface Handle {
  ref(): Handle
  unref(): Handle
  hasRef(): boolean
  refresh(): Handle
  close(): void
  [Symbol.toPrimitive](): number
}

/**
 * Time that stands still until it is told to go on: timers, monotonic and wall clock of this process. What waits in real time is
 * to be given `real`.
 */
export class VirtualTime {
  readonly real = { setTimeout: globalThis.setTimeout, setImmediate: globalThis.setImmediate }
  nowMs = 0
  readonly #timers = new Map<number, Timer>()
  #made = 0
  #undo: (() => void)[] = []

  install(): void {
    const set = (ms: unknown, fire: () => void, everyMs: number | null): Handle =>
      this.#add(Number(ms) || 0, fire, everyMs)
    const later = (ms: unknown): number => Math.max(1, Number(ms) || 0)
    this.#replace(
      globalThis,
      'setTimeout',
      (fire: (...a: unknown[]) => void, ms?: number, ...args: unknown[]) =>
        set(later(ms), () => fire(...args), null),
    )
    this.#replace(
      globalThis,
      'setInterval',
      (fire: (...a: unknown[]) => void, ms?: number, ...args: unknown[]) =>
        set(later(ms), () => fire(...args), later(ms)),
    )
    const clear = (handle: unknown): void => {
      if (handle !== undefined && handle !== null) this.#timers.delete(Number(handle))
    }
    this.#replace(globalThis, 'clearTimeout', clear)
    this.#replace(globalThis, 'clearInterval', clear)
    this.#replace(Date, 'now', () => START_MS + this.nowMs)
    this.#replace(performance, 'now', () => this.nowMs)
    this.#replace(
      promises,
      'setTimeout',
      (ms?: number, value?: unknown, { signal }: { signal?: AbortSignal } = {}) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted === true) return reject(signal.reason)
          const handle = this.#add(later(ms), () => resolve(value), null)
          signal?.addEventListener('abort', () => {
            clear(handle)
            reject(signal.reason)
          })
        }),
    )
    syncBuiltinESMExports()
  }

  uninstall(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
    syncBuiltinESMExports()
    // Whoever still waits need not any more.
    for (const { fire } of this.#timers.values()) fire()
    this.#timers.clear()
  }

  /** Goes on by so much at once, as after a sleep of the host; timers that were due meanwhile fire, in their order. */
  leap(ms: number): void {
    const dueMs = this.nowMs + ms
    this.nowMs = dueMs
    const due = [...this.#timers].filter(([, { atMs }]) => atMs <= dueMs)
    for (const [id, timer] of due.sort(([, a], [, b]) => a.atMs - b.atMs || a.order - b.order))
      this.#fire(id, timer)
  }

  /** Goes on to the next timer, and fires it. How long that was; null: none is set within `mostMs`. */
  next(mostMs: number): number | null {
    const [first] = [...this.#timers].sort(([, a], [, b]) => a.atMs - b.atMs || a.order - b.order)
    if (first === undefined || first[1].atMs > this.nowMs + mostMs) return null
    const [id, timer] = first
    const ms = Math.max(0, timer.atMs - this.nowMs)
    this.nowMs += ms
    this.#fire(id, timer)
    return ms
  }

  #fire(id: number, timer: Timer): void {
    if (timer.everyMs === null) this.#timers.delete(id)
    else timer.atMs = this.nowMs + timer.everyMs
    timer.fire()
  }

  #add(ms: number, fire: () => void, everyMs: number | null): Handle {
    this.#made += 1
    const id = this.#made
    const timer: Timer = { atMs: this.nowMs + ms, order: id, everyMs, fire }
    this.#timers.set(id, timer)
    const handle: Handle = {
      ref: () => handle,
      unref: () => handle,
      hasRef: () => false,
      refresh: () => {
        timer.atMs = this.nowMs + ms
        this.#timers.set(id, timer)
        return handle
      },
      close: () => void this.#timers.delete(id),
      [Symbol.toPrimitive]: () => id,
    }
    return handle
  }

  #replace(target: object, name: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(target, name)
    Object.defineProperty(target, name, { value, configurable: true, writable: true })
    this.#undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name)
      else Object.defineProperty(target, name, before)
    })
  }
}

const START_MS = Date.UTC(2026, 0, 1)

/**
 * In staging's database, for sessions that search `vt` first: the virtual `clock_timestamp()`; and whoever waits for a lock of
 * somebody who stands still need not wait for long in real time to learn that it is in vain. Nor does a vacuum come between.
 */
export const VIRTUAL_CLOCK_SQL = `
create schema vt;
create sequence vt.now minvalue 0 start 0;
create function vt.clock_timestamp() returns timestamptz language sql volatile as
  $$ select timestamptz '2026-01-01 00:00:00+00' + last_value * interval '1 millisecond' from vt.now $$;
create function vt.set_config(name text, value text, local boolean) returns text language sql volatile as
  $$ select pg_catalog.set_config(name, case name when 'lock_timeout' then '20ms' else value end, local) $$;
alter table staging_sync.queue set (autovacuum_enabled = false);
grant usage on schema vt to public;
grant select on vt.now to public`
