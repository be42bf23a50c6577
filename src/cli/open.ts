import type { OpenOperations } from './commands.ts'

/** The real work. Loaded late, so that `--help` and a wrong configuration need no native parts. */
export const openOperations: OpenOperations = async (options) => {
  const { createOperations } = await import('../context.ts')
  return createOperations(options)
}
