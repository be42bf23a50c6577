import { type Command, InvalidArgumentError, Option } from 'commander'
import { EXIT } from '../errors.ts'
import { parseRows } from './arguments.ts'
import type { CommonFlags, Surroundings } from './commands.ts'
import type { Configured } from './decide-program.ts'
import { SEED_HELP } from './help.ts'
import { seedCommand } from './seed-command.ts'
import { seedFromHub } from './seed-from-hub.ts'

interface SeedFlags extends CommonFlags {
  readonly fromHub: boolean
  readonly tag: readonly string[]
  readonly dump?: string
  readonly swap: boolean
  readonly rollback: boolean
  readonly older: boolean
  readonly plan: boolean
  readonly leaveLocal: boolean
  readonly leaveRest: boolean
  readonly leave: readonly string[]
  readonly free?: number
  readonly json: boolean
}

export function addSeed(around: Surroundings, configured: Configured, done: (code: number) => void): Command {
  const summary = "make staging of a dump of prod's database, beside the running one, and swap it in"
  return configured('seed', summary, [EXIT.ok, EXIT.error, EXIT.drift, EXIT.held])
    .option(
      '--dump <file|url|->',
      "pg_dump's output: SQL (also in gzip, xz, zstd, bzip2), custom, tar, directory",
    )
    .addOption(
      new Option(
        '--from-hub',
        "from prod's API alone: prepares staging, then reconciles until both are equal",
      )
        .default(false)
        .conflicts(['dump', 'swap', 'rollback', 'plan']),
    )
    .option(
      '--tag <name>',
      'with --from-hub: this tag (a shell pattern), its parents and builds; may be repeated',
      (name: string, before: readonly string[]) => [...before, name],
      [],
    )
    .addOption(
      new Option('--swap', 'put what is ready in the place of the running database')
        .default(false)
        .conflicts('rollback'),
    )
    .addOption(new Option('--rollback', 'take the last swap back').default(false).conflicts(['dump']))
    .option('--older', 'a dump that is older than what staging shows already is allowed', false)
    .option(
      '--plan',
      "say what a swap would carry over of staging's own work, and what not; swap nothing",
      false,
    )
    .option(
      '--leave-local',
      'carry nothing over: what staging made stays behind in the database that is kept',
      false,
    )
    .option('--leave-rest', 'all that cannot be carried over may stay behind', false)
    .option(
      '--leave <key>',
      'this one may stay behind, as --plan names it (build/NVR); may be repeated',
      (key: string, before: readonly string[]) => [...before, key],
      [],
    )
    .addOption(
      new Option('--free <bytes>', "room on staging's PostgreSQL server, where it cannot be seen").argParser(
        parseRows,
      ),
    )
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', SEED_HELP)
    .action(async (flags: SeedFlags) => {
      const { dump = null, swap, rollback, plan, leaveLocal, leaveRest, leave } = flags
      if (flags.fromHub) return done(await seedFromHub(around, flags))
      const { older: allowOlder, free: freeBytes = null } = flags
      if (dump === null && !swap && !rollback && !plan) {
        throw new InvalidArgumentError('seed needs --dump, --from-hub, --swap, --plan or --rollback')
      }
      const options = { dump, swap, rollback, plan, allowOlder, leaveLocal, leaveRest, leave, freeBytes }
      done(await seedCommand(around, flags, options))
    })
}
