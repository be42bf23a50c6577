import promises from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import pg from 'pg'

type Callable = (...args: unknown[]) => unknown

/**
 * Knows when nothing of this process is under way but what waits at the seam: no statement of anybody's, no connection being made, no
 * call of the file system.
 */
export class Quiet {
  busy = 0
  readonly #undo: (() => void)[] = []

  async install(): Promise<void> {
    this.#unhurried()
    this.#count(pg.Client.prototype, ['query', 'connect', 'end'])
    // libuv does not list promised calls of the file system.
    this.#count(promises, Object.keys(promises))
    const handle = await promises.open('/dev/null')
    this.#count(Object.getPrototypeOf(handle) as object, [
      'close',
      'stat',
      'sync',
      'read',
      'write',
      'chmod',
      'chown',
      'utimes',
    ])
    await handle.close()
    const directory = await promises.opendir('/')
    this.#count(Object.getPrototypeOf(directory) as object, ['read', 'close'])
    await directory.close()
    syncBuiltinESMExports()
  }

  /** Who stands still in a transaction is not ended for it, and who waits for his lock need not do so for long in real time. */
  #unhurried(): void {
    const { prototype } = pg.Client as unknown as { prototype: { query: Callable } }
    const before = prototype.query
    prototype.query = function (this: unknown, asked: unknown, ...rest: unknown[]): unknown {
      const isBegin = typeof asked === 'string' && asked.startsWith('begin')
      const text = isBegin
        ? asked
            .replaceAll(/(idle_in_transaction_session|statement)_timeout = \d+/g, '$1_timeout = 0')
            .replace(/lock_timeout = \d+/, 'lock_timeout = 20')
        : asked
      return before.call(this, text, ...rest)
    }
    this.#undo.push(() => {
      prototype.query = before
    })
  }

  /** Counts calls of these until they call back, or their promises settle. */
  #count(owner: object, names: readonly string[]): void {
    const functions = owner as Record<string, unknown>
    for (const name of names) {
      const before = functions[name]
      if (typeof before !== 'function') continue
      functions[name] = this.#counted(before as Callable)
      this.#undo.push(() => {
        functions[name] = before
      })
    }
  }

  #counted(before: Callable): Callable {
    const begin = (): (() => void) => this.#begin()
    return function (this: unknown, ...args: unknown[]): unknown {
      const last = args.at(-1)
      if (typeof last === 'function') {
        const done = begin()
        args[args.length - 1] = (...results: unknown[]): unknown => {
          done()
          return (last as Callable)(...results)
        }
        return before.apply(this, args)
      }
      const result = before.apply(this, args)
      if (result instanceof Promise) {
        const done = begin()
        result.then(done, done)
      }
      return result
    }
  }

  uninstall(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo()
    syncBuiltinESMExports()
  }

  /** Resolves when all has come to rest; `more`: whatever else must be over. */
  async rest(setImmediateReal: typeof setImmediate, more: () => boolean): Promise<void> {
    const turn = (): Promise<void> => new Promise((resolve) => setImmediateReal(resolve))
    for (let calm = 0; calm < CALM_TURNS; ) {
      await turn()
      const isBusy =
        this.busy > 0 || !more() || process.getActiveResourcesInfo().some((name) => UNDER_WAY.test(name))
      calm = isBusy ? 0 : calm + 1
    }
  }

  #begin(): () => void {
    this.busy += 1
    let over = false
    return () => {
      if (!over) this.busy -= 1
      over = true
    }
  }
}

/** Calls, as libuv names them; sockets and servers that are merely open are none. */
const UNDER_WAY = /^FSReq|^FileHandleCloseReq|ReqWrap$|^(TCPConnect|Write|Shutdown)Wrap$/

/** What an answer sets going is over after so many turns of the event loop. */
const CALM_TURNS = 10
