/**
 * The seam through which every side effect passes: each statement, rename, message, clock read.
 * In production it is `noStep`; a test scheduler awaits here to let one step go at a time, or throws or kills.
 *
 * Names are `part.verb` (`sql.queue.claim`, `file.symlink`, `hub.request`, `bus.receive`), stable, few.
 */
export type Step = (name: string, detail?: Readonly<Record<string, unknown>>) => undefined | Promise<void>

/** Lets everything pass. */
export const noStep: Step = () => undefined
