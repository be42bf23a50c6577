import { formatKey, type Key } from '../model/key.ts'
import type { Check, InitReport, SyncedKey } from '../model/operations.ts'
import { printable } from '../model/printable.ts'
import { maskText } from '../model/secret.ts'

/** One line, and one more with what to do. */
export function checkLine(check: Check): string {
  const line = `${check.status.padEnd(5)} ${check.name}: ${safe(check.message)}\n`
  return check.todo === null ? line : `${line}      do: ${safe(check.todo)}\n`
}

/** `tag/f43  applied  12 rows  35 ms`, or the reason in place of the rows. */
export function syncedLine(synced: SyncedKey): string {
  const rows = synced.rows > 0 ? [`${synced.rows} ${synced.rows === 1 ? 'row' : 'rows'}`] : []
  const reason = synced.reason === null ? [] : [safe(synced.reason)]
  const columns = [
    typed(synced.key),
    synced.outcome,
    ...rows,
    ...reason,
    `${Math.round(synced.elapsedMs)} ms`,
  ]
  return `${columns.join('  ')}\n`
}

export function initText(report: InitReport): string {
  const steps = report.steps.map(
    ({ what, outcome, detail }) => `${outcome.padEnd(9)} ${what}${detail === '' ? '' : `: ${safe(detail)}`}`,
  )
  const adopted = Object.entries(report.adopted).flatMap(([kind, names]) => [
    `adopted   ${names.length} of kind ${kind}`,
    ...names.map((name) => `          ${kind} ${safe(name)}`),
  ])
  const local = Object.entries(report.local).map(([kind, count]) => `local     ${count} of kind ${kind}`)
  return lines([...steps, ...adopted, ...local])
}

/** A key as people type it. */
function typed(key: Key): string {
  return safe(formatKey(key).replace(/^lookup\//, ''))
}

function safe(text: string): string {
  return printable(maskText(text))
}

function lines(of: readonly string[]): string {
  return of.map((line) => `${line}\n`).join('')
}
