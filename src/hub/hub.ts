import type { Priority } from '../model/outcome.ts'
import type { Struct, Value } from '../model/value.ts'

/**
 * One call of prod's hub with the meaning of its answer. Made only by the functions of `calls-*.ts`; the client
 * refuses a method that is not on the read-only allow-list.
 */
export interface Call<T> {
  readonly method: string
  readonly args: readonly Value[]
  /** Keyword arguments; undefined ones are left out. */
  readonly kwargs: { readonly [name: string]: Value | undefined }
  /**
   * What to do about a keyword that the hub's version lacks: leave it out because nothing changes by that, or ask
   * another call. A keyword that is not named here: HUB_UNSUPPORTED.
   */
  readonly lacking?: { readonly [name: string]: 'drop' | Call<T> }
  /** The answer, unasked, of a hub that lacks the method or a keyword; without it that is HUB_UNSUPPORTED. */
  readonly unsupported?: () => T
  /** Raw answer to record. Throws HUB_ANSWER_INVALID naming the method and the member. */
  decode(answer: Value): T
}

export type Answers<C extends readonly Call<unknown>[]> = {
  [I in keyof C]: C[I] extends Call<infer T> ? T : never
}

export interface ReadOptions {
  readonly priority: Priority
  readonly signal?: AbortSignal
}

/** Prod's hub, read-only and anonymous. */
export interface Hub {
  /**
   * Answers of `calls`, in order. The calls of one `read` travel in one multicall, in order (one request, one hub
   * transaction, no snapshot); calls of concurrent reads may share the request. A fault of one call rejects that
   * read only, with a HubFault. Outages reject with OutageError('hub').
   */
  read<const C extends readonly Call<unknown>[]>(calls: C, options: ReadOptions): Promise<Answers<C>>
  /** Koji's version as [major, minor, patch]: of getKojiVersion, or told from `_listapi` for hubs before 1.23. */
  version(): Promise<readonly [number, number, number]>
  destroy(): Promise<void>
}

/** A row of queryHistory, columns by the hub's names (`tag.name`, `build.state`), as sent. */
export type HistoryRow = Struct
