import { Argument, type Command } from 'commander'
import { EXIT } from '../errors.ts'
import type { Key } from '../model/key.ts'
import { collectKey, parseKeyArgument } from './arguments.ts'
import type { CommonFlags, Surroundings } from './commands.ts'
import {
  auditCommand,
  clashesListCommand,
  clashesResolveCommand,
  clashesShowCommand,
  POLICY_ARGUMENTS,
  type PolicyArgument,
  parkedListCommand,
  parkedRetryCommand,
} from './decide-commands.ts'
import { RESOLVE_HELP } from './help.ts'

export type Configured = (
  name: string,
  summary: string,
  codes: readonly number[],
  parent?: Command,
) => Command
type Done = (code: number) => void
type JsonFlags = CommonFlags & { readonly json: boolean }

export function addClashes(around: Surroundings, configured: Configured, program: Command, done: Done): void {
  const group = program
    .command('clashes')
    .description('what staging and prod both claim: list, show, resolve')
  configured(
    'list',
    'the clashes that stand, and what people decided',
    [EXIT.ok, EXIT.error, EXIT.held],
    group,
  )
    .option('--json', 'as JSON', false)
    .action(async (flags: JsonFlags) => done(await clashesListCommand(around, flags)))
  configured('show', 'both sides of the clashes of one key', [EXIT.ok, EXIT.error, EXIT.held], group)
    .argument('<key>', 'build/101, tag/f43, ...', parseKeyArgument)
    .option('--json', 'as JSON', false)
    .action(async (key: Key, flags: JsonFlags) => done(await clashesShowCommand(around, flags, key)))
  configured(
    'resolve',
    'decide for one key, from now on; who and when is recorded',
    [EXIT.ok, EXIT.error],
    group,
  )
    .argument('<key>', 'build/101, tag/f43, ...', parseKeyArgument)
    .addArgument(new Argument('<policy>', 'config: as [conflicts] says, again').choices(POLICY_ARGUMENTS))
    .addHelpText('after', RESOLVE_HELP)
    .action(async (key: Key, policy: PolicyArgument, flags: CommonFlags) =>
      done(await clashesResolveCommand(around, flags, key, policy)),
    )
}

export function addAudit(around: Surroundings, configured: Configured, done: Done): void {
  configured('audit', 'what people decided and retried by hand: who, where, when', [EXIT.ok, EXIT.error])
    .argument('[key]', 'build/101, tag/f43, ...; all of them', parseKeyArgument)
    .option('--json', 'as JSON', false)
    .action(async (key: Key | undefined, flags: JsonFlags) =>
      done(await auditCommand(around, flags, key ?? null)),
    )
}

export function addParked(around: Surroundings, configured: Configured, program: Command, done: Done): void {
  const group = program.command('parked').description('keys that failed too often: list, retry')
  configured('list', 'the parked keys and why; exit 1 if there are any', [EXIT.ok, EXIT.error], group)
    .option('--json', 'as JSON', false)
    .action(async (flags: JsonFlags) => done(await parkedListCommand(around, flags)))
  configured('retry', 'try parked keys at once; who and when is recorded', [EXIT.ok, EXIT.error], group)
    .argument('[key...]', 'as `parked list` prints them, or by name', collectKey)
    .option('--all', 'all of them', false)
    .action(
      async (keys: readonly Key[] | undefined, flags: CommonFlags & { all: boolean }, self: Command) => {
        const named = keys ?? []
        if (flags.all === named.length > 0) self.error('error: name keys, or --all', { code: 'usage' })
        done(await parkedRetryCommand(around, flags, flags.all ? null : named))
      },
    )
}
