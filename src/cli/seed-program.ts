import { type Command, InvalidArgumentError, Option } from 'commander'
import { EXIT } from '../errors.ts'
import { parseRows } from './arguments.ts'
import type { CommonFlags, Surroundings } from './commands.ts'
import type { Configured } from './decide-program.ts'
import { SEED_HELP } from './help.ts'
import { seedCommand } from './seed-command.ts'

interface SeedFlags extends CommonFlags {
  readonly dump?: string
  readonly swap: boolean
  readonly rollback: boolean
  readonly older: boolean
  readonly leaveLocal: boolean
  readonly free?: number
  readonly json: boolean
}

export function addSeed(around: Surroundings, configured: Configured, done: (code: number) => void): Command {
  const summary = "make staging of a dump of prod's database, beside the running one, and swap it in"
  return configured('seed', summary, [EXIT.ok, EXIT.error])
    .option(
      '--dump <file|url|->',
      "pg_dump's output: SQL (also in gzip, xz, zstd, bzip2), custom, tar, directory",
    )
    .addOption(
      new Option('--swap', 'put what is ready in the place of the running database')
        .default(false)
        .conflicts('rollback'),
    )
    .addOption(new Option('--rollback', 'take the last swap back').default(false).conflicts(['dump']))
    .option('--older', 'a dump that is older than what staging shows already is allowed', false)
    .option('--leave-local', 'what staging made itself may stay behind in the database that is kept', false)
    .addOption(
      new Option('--free <bytes>', "room on staging's PostgreSQL server, where it cannot be seen").argParser(
        parseRows,
      ),
    )
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', SEED_HELP)
    .action(async (flags: SeedFlags) => {
      const { dump = null, swap, rollback, older: allowOlder, leaveLocal, free: freeBytes = null } = flags
      if (dump === null && !swap && !rollback) {
        throw new InvalidArgumentError('seed needs --dump, --swap or --rollback')
      }
      done(await seedCommand(around, flags, { dump, swap, rollback, allowOlder, leaveLocal, freeBytes }))
    })
}
