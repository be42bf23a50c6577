/**
 * How long a test waits for what must come, in milliseconds. It decides how long a failure takes, never whether there is one:
 * the slowest machine needs a fraction of it. Below the timeout of a test, so that the wait itself tells what did not come.
 */
export const PATIENCE_MS = 60_000
