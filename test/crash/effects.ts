/**
 * Steps that change nothing: a crash before one of them is a crash before the next effect. What is not known to be one of them counts
 * as an effect.
 */
const READS = new RegExp(
  [
    '^file\\.(open|lstat|stat|fstat|realpath|readlink|list|read|pread|statfs|access)$',
    '^hub\\.(request|answer)$',
    '^bus\\.',
    '^sql\\.database\\.hello$',
    '^sql\\.(listing|rows\\.select|names\\.(read|verify)|catalog|settings\\.read|sync\\.states|sequences\\.(read|check))(\\.|$)',
    '^sql\\..*\\.(standing|present|find|any|used-parts|local-tags|look|list|read|count|state|states|stats|due|next-due|needed|now)$',
    '^sql\\..*\\.begin$',
  ].join('|'),
)

export const isEffect = (step: string): boolean => !READS.test(step)

/** The step from which on effects belong to the operation: before it a process only starts. */
export const isMark = (step: string): boolean => /^sql\.queue\.mark/.test(step)
