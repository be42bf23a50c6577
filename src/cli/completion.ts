import type { Command, Option } from 'commander'
import { optionsReference } from '../config/example.ts'
import { commandsOf } from './command-tree.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** What a shell needs to complete command lines: of the commands and settings as they are. */
export function completionScript(program: Command, shell: Shell): string {
  const name = program.name()
  const head = `# Made by \`${name} completion ${shell}\`; do not edit.\n`
  if (shell === 'fish') return head + fish(program)
  if (shell === 'bash') return head + bash(program)
  return `#compdef ${name}\n${head}autoload -U +X bashcompinit && bashcompinit\n${bash(program)}`
}

interface Words {
  /** the words that lead to it; empty: none yet */
  readonly path: string
  readonly words: readonly string[]
}

function bash(program: Command): string {
  const name = program.name()
  const fn = `_${name.replaceAll('-', '_')}`
  const cases = tree(program).map(
    ({ path, words }) => `    ${JSON.stringify(path)}) words=${JSON.stringify(words.join(' '))} ;;`,
  )
  const settings = settingNames()
    .map((one) => `${one}=`)
    .join(' ')
  return `${fn}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path="" words="" word i
  COMPREPLY=()
  # "=" ends a word for bash: name=value is three.
  if [[ $prev == --set ]]; then
    compopt -o nospace 2>/dev/null
    COMPREPLY=($(compgen -W "${settings}" -- "$cur"))
    return
  fi
  case $prev in
    ${flagsWith(program, (one) => isFile(one)).join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${flagsWith(program, (one) => !isFile(one) && one.long !== '--set').join('|')}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "\${path:+$path }$word" in
      ${groups(program).join('|')}) path="\${path:+$path }$word" ;;
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F ${fn} ${name}
`
}

function fish(program: Command): string {
  const name = program.name()
  const lines = [`complete -c ${name} -f`]
  for (const command of program.commands) {
    const about = quote(command.description())
    lines.push(`complete -c ${name} -n __fish_use_subcommand -a ${command.name()} -d ${about}`)
    for (const below of command.commands)
      lines.push(
        `complete -c ${name} -n '__fish_seen_subcommand_from ${command.name()}' -a ${below.name()} -d ${quote(below.description())}`,
      )
  }
  for (const { path, command } of commandsOf(program)) {
    const seen = path
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const one of command.options) {
      const long = one.long === undefined || one.long === null ? '' : ` -l ${one.long.slice(2)}`
      const short = one.short === undefined || one.short === null ? '' : ` -s ${one.short.slice(1)}`
      const takes = !takesValue(one) ? '' : isFile(one) ? ' -r -F' : ' -x'
      lines.push(`complete -c ${name} -n '${seen}'${short}${long}${takes} -d ${quote(one.description)}`)
    }
  }
  lines.push(
    `complete -c ${name} -l set -x -a '${settingNames()
      .map((one) => `${one}=`)
      .join(' ')}'`,
  )
  return `${lines.join('\n')}\n`
}

/** For each place in a command line the words that may come next. */
function tree(program: Command): Words[] {
  const nested = (command: Command, path: string): Words[] =>
    command.commands.length === 0
      ? [{ path, words: [...flagsOf(command), ...choicesOf(command)] }]
      : [
          { path, words: [...command.commands.map((one) => one.name()), '--help'] },
          ...command.commands.flatMap((one) => nested(one, `${path} ${one.name()}`.trim())),
        ]
  return nested(program, '').map((one) =>
    one.path === '' ? { ...one, words: ['help', ...one.words, '--version'] } : one,
  )
}

function flagsOf(command: Command): string[] {
  return [...command.options.flatMap((one) => (one.long ? [one.long] : [])), '--help']
}

function choicesOf(command: Command): string[] {
  return command.registeredArguments.flatMap((one) => one.argChoices ?? [])
}

/** Everything that leads somewhere, quoted: commands, groups, and commands of groups. */
function groups(program: Command): string[] {
  return tree(program).flatMap(({ path }) => (path === '' ? [] : [JSON.stringify(path)]))
}

function flagsWith(program: Command, wanted: (option: Option) => boolean): string[] {
  const all = commandsOf(program).flatMap(({ command }) =>
    command.options.filter((one) => takesValue(one) && wanted(one)),
  )
  return [...new Set(all.flatMap(({ short, long }) => [short, long]).filter((one) => one != null))]
}

function takesValue(one: Option): boolean {
  return one.required || one.optional
}

function isFile(one: Option): boolean {
  return /<(file|dir|directory)/.test(one.flags)
}

function settingNames(): string[] {
  return optionsReference().map(({ path }) => path)
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
