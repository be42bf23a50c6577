import { parse } from 'smol-toml'
import type { Option } from './option.ts'
import { TABLES } from './options/tables.ts'
import { OPTIONS } from './options.ts'
import type { Problem } from './problems.ts'
import { suggest } from './suggest.ts'

const PREFIX = 'KOJI_STAGING_SYNC_'

/** Variables with our prefix that are no settings. */
export const CONFIG_VARIABLE = `${PREFIX}CONFIG`

/** All settings by their full name (`prod.hub`, `bus.fedmsg.endpoints`, `placement`). */
export function optionsByPath(): ReadonlyMap<string, Option> {
  const sections = Object.entries(OPTIONS).flatMap(([section, options]) =>
    Object.entries(options).map(([name, option]) => [`${section}.${name}`, option as Option] as const),
  )
  return new Map<string, Option>([...sections, ...Object.entries(TABLES as Record<string, Option>)])
}

/** `bus.fedmsg.topic_prefix` is `KOJI_STAGING_SYNC_BUS_FEDMSG_TOPIC_PREFIX`. */
export function variableOf(path: string): string {
  return PREFIX + path.replaceAll('.', '_').toUpperCase()
}

/** A setting from outside the file, as TOML would have given it. */
export interface Override {
  readonly path: string
  readonly value: unknown
  /** The variable or flag it came from, for messages. */
  readonly source: string
}

/** The settings among the variables. A variable with our prefix that is no setting is a problem: it is a typing error. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  overrides: Override[]
  problems: Problem[]
} {
  const byVariable = new Map(
    [...optionsByPath()].map(([path, option]) => [variableOf(path), { path, option }]),
  )
  const overrides: Override[] = []
  const problems: Problem[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || name === CONFIG_VARIABLE || text === undefined) continue
    const found = byVariable.get(name)
    if (found === undefined) {
      const better = suggest(name, [...byVariable.keys()])
      const hint = better === null ? '' : `; did you mean ${better}?`
      problems.push({ path: name, message: `there is no setting of this name${hint}` })
    } else add(found.path, found.option, text, name, overrides, problems)
  }
  return { overrides, problems }
}

/** The settings of `--set NAME=VALUE`, in order; later ones win. */
export function readAssignments(assignments: readonly string[]): {
  overrides: Override[]
  problems: Problem[]
} {
  const byPath = optionsByPath()
  const overrides: Override[] = []
  const problems: Problem[] = []
  for (const assignment of assignments) {
    const at = assignment.indexOf('=')
    const path = assignment.slice(0, Math.max(at, 0)).trim()
    const option = byPath.get(path)
    if (at < 0) problems.push({ path: '--set', message: 'must be NAME=VALUE, as in --set log.level=debug' })
    else if (option === undefined) {
      const better = suggest(path, [...byPath.keys()])
      const hint = better === null ? '' : `; did you mean ${better}?`
      problems.push({ path: `--set ${path}`, message: `there is no such setting${hint}` })
    } else add(path, option, assignment.slice(at + 1), `--set ${path}`, overrides, problems)
  }
  return { overrides, problems }
}

function add(
  path: string,
  option: Option,
  text: string,
  source: string,
  overrides: Override[],
  problems: Problem[],
): void {
  try {
    overrides.push({ path, value: tomlValue(option, text), source })
  } catch {
    // The text stays out of the message: it may be a secret.
    problems.push({
      path: source,
      message: 'must be a TOML value: 20, true, ["a", "b"], { DEFAULT = "prod" }',
    })
  }
}

function tomlValue(option: Option, text: string): unknown {
  if (option.form === 'text') return text
  if (option.form === 'list' && !text.trimStart().startsWith('[')) {
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
  }
  // A line break would start a second assignment.
  if (/[\r\n]/.test(text)) throw new TypeError('more than one line')
  return parse(`value = ${text}`).value
}
