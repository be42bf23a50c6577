import { z } from 'zod'
import type { PartialSettings } from './checks.ts'
import type { Option } from './option.ts'
import { TABLES } from './options/tables.ts'
import { OPTIONS, type Settings } from './options.ts'
import { formatPath, type Problem, problemsOf } from './problems.ts'

const SECTIONS = Object.entries(OPTIONS) as [keyof typeof OPTIONS, Readonly<Record<string, Option>>][]
const LISTS = Object.entries(TABLES) as [keyof typeof TABLES, Option][]

/** What a file may hold: every option of the table, nothing else. */
const FILE = buildFile()

export type Checked =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly settings: PartialSettings; readonly problems: readonly Problem[] }

/** Every setting by its own type; with problems, the settings that are right all the same. */
export function checkSettings(raw: Readonly<Record<string, unknown>>): Checked {
  const result = FILE.safeParse(raw)
  const settings = readEach(raw)
  // Each setting was read by the same types, so a file without problems has them all.
  if (result.success) return { ok: true, settings: settings as Settings }
  return { ok: false, settings, problems: problemsOf(result.error.issues, raw, namesIn, elsewhere) }
}

function withDefault(option: Option): z.ZodType {
  if (option.default === undefined) return option.type
  if (option.default === null) return option.type.nullable().default(null)
  return option.type.default(option.default)
}

function buildFile(): z.ZodType {
  const shape: Record<string, z.ZodType> = {}
  const groups: Record<string, Record<string, z.ZodType>> = {}
  for (const [section, options] of SECTIONS) {
    const fields = Object.entries(options).map(([name, option]) => [name, withDefault(option)])
    const table = z.strictObject(Object.fromEntries(fields)).prefault({})
    const [outer = '', inner] = section.split('.')
    if (inner === undefined) shape[outer] = table
    else groups[outer] = { ...groups[outer], [inner]: table }
  }
  for (const [outer, tables] of Object.entries(groups)) shape[outer] = z.strictObject(tables).prefault({})
  for (const [name, option] of LISTS) shape[name] = withDefault(option)
  return z.strictObject(shape)
}

function readEach(raw: Readonly<Record<string, unknown>>): PartialSettings {
  const settings: Record<string, unknown> = {}
  for (const [section, options] of SECTIONS) {
    const values = Object.entries(options).flatMap(([name, option]) => {
      const read = withDefault(option).safeParse(memberAt(raw, [...section.split('.'), name]))
      return read.success ? [[name, read.data]] : []
    })
    settings[section] = Object.fromEntries(values)
  }
  for (const [name, option] of LISTS) {
    const rows = memberAt(raw, [name])
    const read = withDefault(option).safeParse(rows)
    if (read.success) settings[name] = read.data
    else if (Array.isArray(rows)) {
      settings[name] = rows.map((row) => option.type.safeParse([row])).map(firstOrNull)
    }
  }
  return settings as PartialSettings
}

function firstOrNull(read: z.ZodSafeParseResult<unknown>): unknown {
  return read.success ? (read.data as readonly unknown[])[0] : null
}

function memberAt(raw: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined,
    raw,
  )
}

/** The names that a table of the file may hold. */
function namesIn(path: readonly PropertyKey[]): string[] {
  const at = formatPath(path.filter((part) => typeof part !== 'number'))
  const sections = SECTIONS.map(([section]) => section as string)
  if (at === '') return [...new Set(sections.map((name) => name.split('.')[0] ?? '')), ...Object.keys(TABLES)]
  if (Object.hasOwn(OPTIONS, at)) return Object.keys(OPTIONS[at as keyof typeof OPTIONS])
  if (Object.hasOwn(TABLES, at)) return Object.keys(TABLES[at as keyof typeof TABLES].fields)
  return sections.filter((name) => name.startsWith(`${at}.`)).map((name) => name.slice(at.length + 1))
}

/** The full name of a setting that stands in another section. */
function elsewhere(name: string): string | null {
  const found = SECTIONS.filter(([, options]) => Object.hasOwn(options, name))
  return found.length === 1 ? `${found[0]?.[0]}.${name}` : null
}
