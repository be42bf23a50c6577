import { noStep, type Step } from '../step.ts'

/** Whether work on files may go to threads: from the package alone, since threads run what is built, and where no call has to pass the step seam. */
export function mayUseThreads(step: Step): boolean {
  return step === noStep && import.meta.url.endsWith('.js')
}
