import type { Step } from '../step.ts'
import { errnoOf, FileError, type Side } from './errno.ts'

/** One call of the file system that is still to be made. */
export interface SystemCall {
  readonly side: Side
  /** as the step seam names it: `file.<verb>` */
  readonly verb: string
  /** the real path, not one through a handle */
  readonly shown: string
  readonly run: () => unknown
}

/** Work on files, told as the calls that it wants made. Whoever drives it makes them: at once in a thread, or each behind the step seam. */
export type FileWork<T> = Generator<SystemCall, T, unknown>

/** Has one call made; what it promises is waited for. Throws FileError. */
export function* call<T>(side: Side, verb: string, shown: string, run: () => T): FileWork<Awaited<T>> {
  return (yield { side, verb, shown, run }) as Awaited<T>
}

/** Makes the calls one after the other, without a pause: for a thread of its own, and work of which no call promises anything. */
export function drive<T>(work: FileWork<T>): T {
  let turn = work.next()
  while (turn.done !== true) {
    const { run } = turn.value
    let answer: unknown
    try {
      answer = run()
    } catch (error) {
      turn = work.throw(asFileError(turn.value, error))
      continue
    }
    turn = work.next(answer)
  }
  return turn.value
}

/** The same behind the step seam. */
export async function driveSteps<T>(work: FileWork<T>, step: Step): Promise<T> {
  let turn = work.next()
  while (turn.done !== true) {
    const { side, verb, shown, run } = turn.value
    let answer: unknown
    try {
      const gate = step(`file.${verb}`, { side, path: shown })
      if (gate !== undefined) await gate
      answer = run()
      if (answer instanceof Promise) answer = await answer
    } catch (error) {
      turn = work.throw(asFileError(turn.value, error))
      continue
    }
    turn = work.next(answer)
  }
  return turn.value
}

function asFileError({ side, verb, shown }: SystemCall, error: unknown): unknown {
  const errno = errnoOf(error)
  return errno === null ? error : new FileError(side, verb, shown, errno, error)
}
