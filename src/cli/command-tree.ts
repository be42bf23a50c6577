import type { Command } from 'commander'

/** Every command with the words that lead to it, in the order of the help; groups that do nothing themselves are left out. */
export function commandsOf(program: Command): { path: string; command: Command }[] {
  return program.commands.flatMap((command) => {
    const path = command.name()
    const below = commandsOf(command).map((one) => ({ ...one, path: `${path} ${one.path}` }))
    return below.length > 0 ? below : [{ path, command }]
  })
}
