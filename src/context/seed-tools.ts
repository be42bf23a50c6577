import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Config } from '../config/config.ts'
import { OutageError } from '../errors.ts'
import type { SeedTools } from '../operations/world.ts'
import { openDump } from '../seed/dump-source.ts'
import { addressOf, Session } from '../seed/session.ts'
import { Database } from '../staging/database.ts'
import type { Step } from '../step.ts'
import type { OnOpened } from './copies.ts'
import { createPlacements } from './engine.ts'

/** What `seed` works with; nothing is connected yet. */
export function createSeedTools(config: Config, step: Step, onOpened: OnOpened): SeedTools {
  const { database: url, databasePassword, topdir } = config.staging
  const password = databasePassword === null ? undefined : databasePassword.reveal()
  return {
    open: (database) => Session.open({ url, password, database, step }),
    database: (name) =>
      Database.create({
        url: addressOf(url, name),
        ...(password === undefined ? {} : { password }),
        applicationName: 'koji-staging-sync seed',
        poolSize: 2,
        connectTimeoutMs: 10_000,
        step,
      }),
    openDump: (from, signal) => openDump({ from, stdin: process.stdin, signal, step }),
    placements: createPlacements(config, step, { fsync: false, onOpened }),
    flush: async () => {
      await step('seed.flush')
      // Node has no syncfs(2); coreutils' sync has.
      await promisify(execFile)('sync', ['-f', topdir]).catch((error: unknown) => {
        throw new OutageError('storage', 'SEED_SYNC', `sync -f ${topdir} failed`, { cause: error })
      })
    },
  }
}
