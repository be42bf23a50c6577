import { stringify } from 'smol-toml'
import { variableOf } from './environment.ts'
import type { Option } from './option.ts'
import { TABLES } from './options/tables.ts'
import { OPTIONS } from './options.ts'

const WIDTH = 100

/**
 * The example file: every option with its help, default and environment variable. What must be given stands as an example;
 * everything else is commented out with its default, so that taking a `#` away changes nothing until the value is edited.
 */
export function exampleFile(): string {
  const sections = Object.entries(OPTIONS).map(([section, options]) =>
    [`[${section}]`, '', ...Object.entries(options).map(([name, one]) => entry(section, name, one))].join(
      '\n',
    ),
  )
  return [HEAD, ...sections, ...Object.entries(TABLES).map(([name, table]) => tables(name, table)), ''].join(
    '\n',
  )
}

/** Every setting: its path, its default in words, its help in lines (of a table also its fields). */
export function optionsReference(): { path: string; about: string; lines: string[] }[] {
  const single = Object.entries(OPTIONS).flatMap(([section, options]) =>
    Object.entries(options).map(([name, one]) => ({
      path: `${section}.${name}`,
      about: defaultText(one),
      lines: [one.help],
    })),
  )
  const lists = Object.entries(TABLES).map(([name, table]) => ({
    path: name,
    about: `a list of tables; ${defaultText(table)}`,
    lines: [table.help, ...Object.entries(table.fields).map(([field, { help }]) => `${field}: ${help}`)],
  }))
  return [...single, ...lists]
}

/** The options as text for a terminal: name, default, help, environment variable. */
export function optionsHelp(): string {
  const lines = Object.entries(OPTIONS).flatMap(([section, options]) =>
    Object.entries(options).map(([name, one]) => {
      const path = `${section}.${name}`
      return [
        `${path}  (${defaultText(one)})`,
        ...wrap(one.help, '    '),
        `    ${variableOf(path)}`,
        '',
      ].join('\n')
    }),
  )
  const lists = Object.entries(TABLES).map(([name, table]) => {
    const fields = Object.entries(table.fields).map(([field, { help }]) =>
      wrap(`${field}: ${help}`, '      ').join('\n'),
    )
    return [
      `[[${name}]]  (${defaultText(table)})`,
      ...wrap(table.help, '    '),
      ...fields,
      `    ${variableOf(name)}`,
      '',
    ].join('\n')
  })
  return [...lines, ...lists].join('\n')
}

const HEAD = `# Configuration of koji-staging-sync. Made from the table of options: koji-staging-sync options --example
#
# A line that starts with "#name" shows a default. Every setting has an environment variable too, which wins over
# this file: prod.hub is KOJI_STAGING_SYNC_PROD_HUB.
`

function entry(section: string, name: string, one: Option): string {
  const help = wrap(one.help, '# ')
  if (one.default === undefined) return [...help, assignment(name, one.example), ''].join('\n')
  if (one.default !== null) return [...help, `#${assignment(name, one.default)}`, ''].join('\n')
  const needed = NEEDED_BY_DEFAULT.includes(`${section}.${name}`)
  const line = assignment(name, one.example)
  return [...help, needed ? line : `# Not set by default. For example:\n# ${line}`, ''].join('\n')
}

/** May be left out in general, but not with the default placement. */
const NEEDED_BY_DEFAULT = ['prod.topdir', 'prod.link_target']

function tables(
  name: string,
  table: Option & { fields: Readonly<Record<string, { readonly help: string }>> },
): string {
  const rows = table.default as readonly Record<string, unknown>[]
  const shown = rows.length > 0 ? rows : (table.example as readonly Record<string, unknown>[])
  const mark = rows.length > 0 ? '#' : '# '
  const body = shown.flatMap((row) => [
    `${mark}[[${name}]]`,
    ...Object.entries(row).map(([field, value]) => `${mark}${assignment(field, value)}`),
  ])
  const fields = Object.entries(table.fields).flatMap(([field, { help }]) =>
    wrap(`${field}: ${help}`, '#   '),
  )
  const note = rows.length > 0 ? [] : ['# None by default. For example:']
  return [...wrap(table.help, '# '), ...fields, ...note, ...body, ''].join('\n')
}

function defaultText(one: Option): string {
  if (one.default === undefined) return 'must be given'
  if (one.default === null) return 'not set'
  return `default ${inline(one.default)}`
}

function assignment(name: string, value: unknown): string {
  return `${name} = ${inline(value)}`
}

/** A value on one line, as TOML writes it. */
function inline(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[${value.map(inline).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([name, member]) => {
      const key = /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name)
      return `${key} = ${inline(member)}`
    })
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`
  }
  return stringify({ v: value }).trim().slice('v = '.length)
}

function wrap(text: string, prefix: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && prefix.length + line.length + 1 + word.length > WIDTH) {
      lines.push(prefix + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, prefix + line]
}
