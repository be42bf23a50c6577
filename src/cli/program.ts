import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { CONFIG_VARIABLE } from '../config/environment.ts'
import { EXIT, exitCodeOf, StopError } from '../errors.ts'
import { type Key, parseTypedKey } from '../model/key.ts'
import {
  type CommonFlags,
  doctorCommand,
  initCommand,
  optionsCommand,
  reconcileCommand,
  runCommand,
  type Surroundings,
  statusCommand,
  syncCommand,
} from './commands.ts'
import { exitStatusHelp, RECONCILE_HELP, SCRUB_HELP, SYNC_HELP } from './help.ts'
import { errorText } from './report-error.ts'
import { type ScrubFlags, scrubCommand } from './scrub.ts'
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
      return ['commander.helpDisplayed', 'commander.version'].includes(error.code) ? EXIT.ok : EXIT.usage
    }
    if (!(error instanceof StopError)) {
      const debug = options.argv.includes('--debug')
      options.stderr.write(errorText(error, { debug }))
    }
    return exitCodeOf(error)
  }
}

function buildProgram(around: Surroundings, done: (code: number) => void): Command {
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

  const command = (name: string, summary: string, codes: readonly number[]): Command =>
    program
      .command(name)
      .description(summary)
      .allowExcessArguments(false)
      .addHelpText('after', exitStatusHelp(codes))
  const configured = (name: string, summary: string, codes: readonly number[]): Command =>
    command(name, summary, [
      ...codes,
      EXIT.usage,
      EXIT.hub,
      EXIT.database,
      EXIT.storage,
      EXIT.safety,
      EXIT.config,
    ])
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
  ]).action(async (flags: CommonFlags) => done(await initCommand(around, flags)))

  configured('doctor', 'check every precondition, one line each', [EXIT.ok, EXIT.error]).action(
    async (flags: CommonFlags) => done(await doctorCommand(around, flags)),
  )

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
      collect,
      [],
    )
    .option('--json', 'one JSON object a difference', false)
    .addHelpText('after', RECONCILE_HELP)
    .action(async (flags: CommonFlags & { dryRun: boolean; json: boolean; tag: readonly string[] }) =>
      done(await reconcileCommand(around, flags)),
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

  command('options', 'show every setting of the configuration', [EXIT.ok, EXIT.usage])
    .option('--example', 'as an example file', false)
    .action((flags: { example: boolean }) => done(optionsCommand(around, flags)))

  return program
}

function collect(value: string, earlier: readonly string[] | undefined): string[] {
  return [...(earlier ?? []), value]
}

function collectKey(text: string, earlier: readonly Key[] | undefined): Key[] {
  try {
    return [...(earlier ?? []), parseTypedKey(text)]
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
}
