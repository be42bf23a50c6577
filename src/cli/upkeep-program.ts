import { InvalidArgumentError, Option } from 'commander'
import { EXIT } from '../errors.ts'
import type { CommonFlags, Surroundings } from './commands.ts'
import type { Configured } from './decide-program.ts'
import { pruneCommand, refreshCommand } from './upkeep-command.ts'

const PRUNE_HELP = `
Copies (placement \`copy\`) of builds that no tag of staging's lists, that are in no tag in scope in prod, of which no archive contains
anything, and that nothing of staging's own uses. What goes is as after Koji's own delete: the build is DELETED, with its signatures and
files. It comes back when a tag in scope gets it. Nothing goes where every build is in scope (scope.builds = "all").

OUTPUT
  on a terminal a line a build; elsewhere, or with --json, a JSON object a line:
  {"kind":"build", "buildId", "nvr", "bytes", "outcome", "reason"}   {"kind":"progress", "done", "of"}
  {"kind":"end", "builds", "bytes", "kept", "removed"}`

/** The commands that keep staging's disk in order. */
export function addUpkeep(around: Surroundings, configured: Configured, done: (code: number) => void): void {
  configured('prune', 'list copies that no tag in scope needs any more; with --yes remove them', [
    EXIT.ok,
    EXIT.error,
  ])
    .option('--yes', 'remove them', false)
    .addOption(
      new Option('--older-than <days>', 'placed, and last untagged, at least so long ago')
        .default(7)
        .argParser(parseDays),
    )
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', PRUNE_HELP)
    .action(async (flags: CommonFlags & { yes: boolean; olderThan: number; json: boolean }) =>
      done(await pruneCommand(around, flags, { remove: flags.yes, olderThanDays: flags.olderThan })),
    )

  configured('refresh-snapshot', 'have in_place.refresh_command take the snapshot anew; no daemon may run', [
    EXIT.ok,
    EXIT.error,
  ]).action(async (flags: CommonFlags) => done(await refreshCommand(around, flags)))
}

function parseDays(text: string): number {
  const days = Number(text)
  if (!/^\d+(\.\d+)?$/.test(text) || days > 36_500) throw new InvalidArgumentError('it takes days, as in 7')
  return days
}
