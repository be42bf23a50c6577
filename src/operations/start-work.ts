import { closeScopeOverStaging } from '../converge/closure-start.ts'
import { markLocalRows } from '../converge/local-keys.ts'
import { type Daemon, leaveDaemons } from '../staging/daemons.ts'
import { payDebts } from '../staging/debt.ts'
import { endDeadClaims } from './dead-claims.ts'
import type { Engine } from './world.ts'

/**
 * What whoever works on the queue does before the first key, be it a daemon or a command without one: what a crash left is
 * ended, debts are paid, scope is closed over what staging shows, and rows of staging's people that may equal prod's are marked.
 * Beside a daemon there is nothing to do that it has not done.
 */
export async function prepareWork(engine: Engine, daemon: Daemon): Promise<void> {
  await endDeadClaims(engine.database, daemon)
  await payDebts(engine.database, engine.catalog, engine.owner.userId)
  await closeScopeOverStaging(engine.deps)
  await markLocalRows(engine.deps)
}

/** A command joins those who work; `others`: a daemon does already. Throws ConfigError DAEMON_OTHER_POLICY. */
export async function startWork(engine: Engine, daemon: Daemon, others: boolean): Promise<void> {
  await engine.membership.join(daemon)
  if (others) return
  try {
    await prepareWork(engine, daemon)
  } catch (error) {
    await leaveDaemons(engine.database, daemon.id).catch(() => {})
    throw error
  }
}
