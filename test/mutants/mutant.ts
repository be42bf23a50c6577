/** One small fault, put into a copy of the sources; some test must notice. */
export interface Mutant {
  /** What is wrong then, as a reviewer would say it. */
  readonly what: string
  /** below `src` */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly put: string
  /** Test files that should notice, below `test`, without `.test.ts`. */
  readonly tests: readonly string[]
  /** Why no test notices it, and none should; absent: one must. */
  readonly survives?: string
}
