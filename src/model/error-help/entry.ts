/** What an operator should know of one error code, each a sentence or two. */
export interface ErrorHelp {
  /** what happened, and what the program does about it */
  readonly what: string
  /** why it may have */
  readonly why: string
  readonly todo: string
}

export type ErrorHelps = Readonly<Record<string, ErrorHelp>>

/** For races: they end by themselves. */
export const RACE_TODO =
  'Nothing: the key is looked at again at once. Only one that goes on for minutes is worth a look at the log.'
export const BUG_TODO =
  'Report it, with the log line (`--debug` shows where it comes from). A restart is safe.'
export const STOP_TODO = 'Nothing: work that was under way was given back, and the next start goes on.'
