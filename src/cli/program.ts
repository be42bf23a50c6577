import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { CONFIG_VARIABLE } from '../config/environment.ts'
import { EXIT, exitCodeOf, StopError } from '../errors.ts'
import type { Key } from '../model/key.ts'
import type { CatchUpOptions } from '../model/operations.ts'
import {
  collect,
  collectKey,
  collectSince,
  collectTag,
  parseErrorCode,
  parseRows,
  parseSeconds,
} from './arguments.ts'
import { catchUpCommand } from './catch-up-command.ts'
import {
  type CommonFlags,
  doctorCommand,
  initCommand,
  optionsCommand,
  reconcileCommand,
  type Surroundings,
  statusCommand,
  syncCommand,
} from './commands.ts'
import { completionScript, SHELLS, type Shell } from './completion.ts'
import { addAudit, addClashes, addParked } from './decide-program.ts'
import { errorsMarkdown, errorsText } from './errors-command.ts'
import { eventCommand } from './event-command.ts'
import { CATCH_UP_HELP, EVENT_HELP, exitStatusHelp, RECONCILE_HELP, SCRUB_HELP, SYNC_HELP } from './help.ts'
import { manualPage } from './manual.ts'
import { metricsMarkdown } from './metrics-command.ts'
import { errorText } from './report-error.ts'
import { runCommand } from './run-command.ts'
import { type ScrubFlags, scrubCommand } from './scrub.ts'
import { addSeed } from './seed-program.ts'
import { addUpkeep } from './upkeep-program.ts'
import { verifyMessageCommand } from './verify-message.ts'
import { readVersion } from './version.ts'

export const DEFAULT_CONFIG_FILE = '/etc/koji-staging-sync/koji-staging-sync.toml'

export interface ProgramOptions extends Surroundings {
  /** Without the interpreter and the script. */
  readonly argv: readonly string[]
}

/** Runs one command line. Returns the exit code; never throws, never ends the process itself. */
export async function runProgram(options: ProgramOptions): Promise<number> {
  let code: number = EXIT.ok
  const program = buildProgram(options, (result) => {
    code = result
  })
  try {
    await program.parseAsync([...options.argv], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) {
      // `help COMMAND` ends as a missing command does, but was asked for.
      const wanted = ['commander.helpDisplayed', 'commander.version'].includes(error.code)
      return wanted || (error.code === 'commander.help' && options.argv[0] === 'help') ? EXIT.ok : EXIT.usage
    }
    if (!(error instanceof StopError)) {
      const debug = options.argv.includes('--debug')
      options.stderr.write(errorText(error, { debug }))
    }
    return exitCodeOf(error)
  }
}

/** All commands. `done` gets the exit code of the one that ran. */
export function buildProgram(around: Surroundings, done: (code: number) => void): Command {
  const program = new Command('koji-staging-sync')
    .description('Keeps a staging Koji (database, files) equal to production. Production is only read.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => around.stdout.write(text),
      writeErr: (text) => around.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'error USAGE: ')),
    })
    .showHelpAfterError('hint: --help shows how it is used')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', exitStatusHelp([...Object.values(EXIT)]))

  const command = (
    name: string,
    summary: string,
    codes: readonly number[],
    parent: Command = program,
  ): Command =>
    parent
      .command(name)
      .description(summary)
      .allowExcessArguments(false)
      .addHelpText('after', exitStatusHelp(codes))
  const configured = (
    name: string,
    summary: string,
    codes: readonly number[],
    parent: Command = program,
  ): Command =>
    command(
      name,
      summary,
      [...codes, EXIT.usage, EXIT.hub, EXIT.database, EXIT.storage, EXIT.safety, EXIT.config],
      parent,
    )
      .option(
        '-c, --config <file>',
        `configuration (TOML); also ${CONFIG_VARIABLE}`,
        around.env[CONFIG_VARIABLE] ?? DEFAULT_CONFIG_FILE,
      )
      .option(
        '--set <name=value>',
        'set one setting, over file and environment; may be repeated',
        collect,
        [],
      )
      .option('--debug', 'log more; show where errors come from', false)

  configured('init', 'prepare staging: our tables, the user, the sequences, what is ours already', [
    EXIT.ok,
    EXIT.error,
  ])
    .option(
      '--print-grants',
      'only print the SQL that gives the service what it needs in the database; nothing is written',
      false,
    )
    .option('--role <name>', 'for this role, not for the user in staging.database')
    .action(async (flags: Parameters<typeof initCommand>[1]) => done(await initCommand(around, flags)))

  configured('doctor', 'check every precondition, one line each', [EXIT.ok, EXIT.error])
    .addOption(
      new Option('--listen <seconds>', 'how long to wait for a message on the bus, at most')
        .argParser(parseSeconds)
        .default(10),
    )
    .action(async (flags: CommonFlags & { listen: number }) => done(await doctorCommand(around, flags)))

  configured('run', 'the daemon: follow the bus until a signal', [EXIT.ok, EXIT.error, EXIT.bus]).action(
    async (flags: CommonFlags) => done(await runCommand(around, flags)),
  )

  configured('sync', 'make these things equal now', [EXIT.ok, EXIT.error, EXIT.held])
    .argument('<key...>', 'build/101, build/bash-5.2-1.fc43, tag/f43, tagged/f43/bash, ...', collectKey)
    .addHelpText('after', SYNC_HELP)
    .action(async (keys: readonly Key[], flags: CommonFlags) => done(await syncCommand(around, flags, keys)))

  configured('reconcile', 'compare everything in scope on both sides, and make equal what differs', [
    EXIT.ok,
    EXIT.error,
    EXIT.drift,
    EXIT.held,
  ])
    .option('--dry-run', 'compare only: nothing is written', false)
    .option(
      '--tag <name>',
      'this tag (a shell pattern), its parents and builds; may be repeated',
      collectTag,
      [],
    )
    .option('--json', 'one JSON object a difference', false)
    .addOption(
      new Option(
        '--allow-removals <rows>',
        'let so many rows go beyond the hourly budget of removals that prod does not prove; recorded',
      )
        .argParser(parseRows)
        .conflicts('dryRun'),
    )
    .addHelpText('after', RECONCILE_HELP)
    .action(async (flags: Parameters<typeof reconcileCommand>[1]) =>
      done(await reconcileCommand(around, flags)),
    )

  configured(
    'catch-up',
    "look now for what no message told, in prod's history and lists, and make it equal",
    [EXIT.ok, EXIT.error, EXIT.held],
  )
    .addOption(
      new Option(
        '--since <event|time>',
        'read on from this event of prod, or this time (UTC: 2026-01-31T04:05), instead of from where it was read last',
      ).argParser(collectSince),
    )
    .option(
      '--prod-restored',
      'prod was restored from a backup: go back to the last event that it still has, or that of --since',
      false,
    )
    .addHelpText('after', CATCH_UP_HELP)
    .action(async (flags: CommonFlags & CatchUpOptions) => {
      const { since, prodRestored = false } = flags
      if (prodRestored && typeof since === 'string')
        throw new InvalidArgumentError('--prod-restored takes an event with --since, no time')
      done(await catchUpCommand(around, flags, { prodRestored, ...(since === undefined ? {} : { since }) }))
    })

  configured('event', 'tell which event of staging shows what prod showed at one of its own', [
    EXIT.ok,
    EXIT.error,
    EXIT.drift,
  ])
    .argument('<event>', "prod's event", parseRows)
    .option('--tag <name>', 'for a compose of this tag: it and all that it inherits from')
    .option('--json', 'as JSON', false)
    .addHelpText('after', EVENT_HELP)
    .action(async (event: number, flags: CommonFlags & { json: boolean; tag?: string }) =>
      done(await eventCommand(around, flags, { event, tag: flags.tag ?? null })),
    )

  configured('scrub', 'look at each build whole, rows and files, and make equal what differs', [
    EXIT.ok,
    EXIT.error,
    EXIT.drift,
    EXIT.held,
  ])
    .option('--once', 'every build once, as fast as prod may be asked, then end', false)
    .option(
      '--tag <name>',
      "the builds in this tag of staging's (a shell pattern), then end; may be repeated",
      collect,
      [],
    )
    .option('--json', 'one JSON object a difference', false)
    .addHelpText('after', SCRUB_HELP)
    .action(async (flags: ScrubFlags) => done(await scrubCommand(around, flags)))

  configured('status', 'show queue, ownership, clashes, parked keys; works while the daemon is down', [
    EXIT.ok,
    EXIT.error,
  ])
    .option('--json', 'as JSON', false)
    .action(async (flags: CommonFlags & { json: boolean }) => done(await statusCommand(around, flags)))

  addUpkeep(around, configured, done)
  addSeed(around, configured, done)
  addClashes(around, configured, program, done)
  addParked(around, configured, program, done)
  addAudit(around, configured, done)

  const verify = verifyMessageCommand({ stdout: around.stdout, stdin: process.stdin }, done)
  program.addCommand(verify.copyInheritedSettings(program))

  command('options', 'show every setting of the configuration', [EXIT.ok, EXIT.usage])
    .option('--example', 'as an example file', false)
    .action((flags: { example: boolean }) => done(optionsCommand(around, flags)))

  command('metrics', 'every metric that `run` serves, as docs/metrics.md', [EXIT.ok, EXIT.usage]).action(
    async () => {
      around.stdout.write(await metricsMarkdown())
    },
  )

  // As they are for everybody: without what this environment sets.
  const plain = (): Command => buildProgram({ ...around, env: {} }, () => {})
  command('manual', 'the manual page, for man(1)', [EXIT.ok, EXIT.usage]).action(() => {
    around.stdout.write(manualPage(plain()))
  })

  command('completion', 'what a shell needs to complete command lines', [EXIT.ok, EXIT.usage])
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .action((shell: Shell) => {
      around.stdout.write(completionScript(plain(), shell))
    })

  const errors = command('errors', 'what each error code means, and what to do', [EXIT.ok, EXIT.usage])
    .argument('[code]', 'only this one', parseErrorCode)
    .option('--markdown', 'as docs/errors.md', false)
    .action((code: string | undefined, flags: { markdown: boolean }) => {
      around.stdout.write(flags.markdown ? errorsMarkdown() : errorsText(code))
    })
  const usage = errors.helpInformation.bind(errors)
  // `help errors` is where people look for them.
  errors.helpInformation = (context) => `${usage(context)}\n${errorsText()}`

  return program
}
