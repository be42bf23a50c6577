import type { Argument, Command, Option } from 'commander'
import { variableOf } from '../config/environment.ts'
import { optionsReference } from '../config/example.ts'
import { EXIT } from '../errors.ts'
import { commandsOf } from './command-tree.ts'
import { exitStatusHelp } from './help.ts'

/** The manual page, koji-staging-sync(1), of the commands and settings as they are: troff for man(1). */
export function manualPage(program: Command): string {
  const name = program.name()
  return [
    `.\\" Made by \`${name} manual\`; do not edit.`,
    `.TH ${name.toUpperCase().replaceAll('-', '\\-')} 1 "" "${name}" "User Commands"`,
    '.SH NAME',
    `${roff(name)} \\- keeps a staging Koji equal to production`,
    '.SH SYNOPSIS',
    `.B ${roff(name)}`,
    '.I command',
    '.RI [ option ...]',
    '.SH DESCRIPTION',
    roff(program.description()),
    'The daemon is',
    `.BR "${roff(name)} run" ;`,
    'all other commands do one thing and end. They work beside a running daemon and without one.',
    '.SH COMMANDS',
    ...commandsOf(program).flatMap(({ path, command }) => section(path, command)),
    '.SH SETTINGS',
    'Of the configuration file (TOML), by section. Each has an environment variable too, which wins over the file:',
    `prod.hub is ${variableOf('prod.hub')}.`,
    'A flag',
    '.B \\-\\-set',
    'wins over both.',
    ...optionsReference().flatMap(({ path, about, lines }) => [
      '.TP',
      `.B ${roff(path)}`,
      `(${roff(about)})`,
      ...lines.flatMap((line) => ['.br', roff(line)]),
    ]),
    '.SH SIGNALS',
    '.TP',
    '.B SIGTERM, SIGINT',
    'End a command in order: what is being made equal may go on for worker.shutdown_grace_seconds, then it is given back. A second one',
    'ends it at once; nothing is lost by that.',
    '.TP',
    '.B SIGHUP',
    'Has the daemon read its configuration again (but on a terminal, which it ends). A wrong one is refused whole.',
    '.SH EXIT STATUS',
    '.nf',
    ...exitStatusHelp([...Object.values(EXIT)])
      .split('\n')
      .slice(2)
      .map(roff),
    '.fi',
    '.SH SEE ALSO',
    `.B ${roff(name)} help errors`,
    'explains each error code;',
    `.B ${roff(name)} metrics`,
    'lists what is measured.',
    '',
  ].join('\n')
}

function section(path: string, command: Command): string[] {
  const shown = command.options.filter((option) => !option.hidden)
  const usage = command.usage().replace('[options] ', '').replace('[options]', '')
  return [
    `.SS ${roff(`${path} ${usage}`.trim())}`,
    roff(`${sentence(command.description())}`),
    ...command.registeredArguments.flatMap(argument),
    ...shown.flatMap(option),
    ...preformatted(afterHelp(command)),
  ]
}

function argument(one: Argument): string[] {
  if (one.description === '') return []
  return ['.TP', `.I ${roff(one.name())}`, roff(sentence(one.description))]
}

function option(one: Option): string[] {
  const shownDefault = [undefined, false].includes(one.defaultValue) || Array.isArray(one.defaultValue)
  const fallback = shownDefault ? '' : ` Default: ${one.defaultValue}.`
  return ['.TP', `.B ${roff(one.flags)}`, roff(sentence(one.description) + fallback)]
}

/** What stands behind the flags in the help: keys, output, exit status. */
function afterHelp(command: Command): string {
  let whole = ''
  const before = command.configureOutput()
  command.configureOutput({
    writeOut: (text) => {
      whole += text
    },
  })
  command.outputHelp()
  command.configureOutput(before)
  return whole.slice(command.helpInformation().length).trim()
}

function preformatted(text: string): string[] {
  if (text === '') return []
  return ['.PP', '.nf', ...text.split('\n').map(roff), '.fi']
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}

/** A line that troff prints as it is. */
function roff(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-')
  return /^[.']/.test(plain) ? `\\&${plain}` : plain
}
